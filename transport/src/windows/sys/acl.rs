//! Access control: pipes that only the user can open, and the check that a pipe belongs to the
//! user.
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::null_mut;

use tokio::net::windows::named_pipe::{NamedPipeServer, ServerOptions};
use windows_sys::Win32::Security::{
    ACL, ACL_REVISION, AddAccessAllowedAce, EqualSid, GetKernelObjectSecurity, GetSecurityDescriptorOwner,
    GetTokenInformation, InitializeAcl, InitializeSecurityDescriptor, OWNER_SECURITY_INFORMATION, PSID,
    SECURITY_ATTRIBUTES, SECURITY_DESCRIPTOR, SetSecurityDescriptorDacl, SetSecurityDescriptorOwner,
    TOKEN_QUERY, TOKEN_USER, TokenUser,
};
use windows_sys::Win32::Storage::FileSystem::FILE_ALL_ACCESS;
use windows_sys::Win32::System::SystemServices::SECURITY_DESCRIPTOR_REVISION;
use windows_sys::Win32::System::Threading::{GetCurrentProcess, OpenProcessToken};

use super::win32::check;

/// Buffer for every structure that is queried here, aligned for all of them. A user's id (SID) has
/// at most 68 bytes, and the header of the structure around it has 20.
type SecurityBuffer = [u64; 16];

/// Creates a pipe that belongs to the user and that only the user can open.
pub(super) fn create(options: &ServerOptions, name: &str) -> io::Result<NamedPipeServer> {
    let user = CurrentUser::query()?;
    let mut list = SecurityBuffer::default();
    let mut descriptor = MaybeUninit::<SECURITY_DESCRIPTOR>::uninit();
    let (list, descriptor) = ((&raw mut list).cast::<ACL>(), descriptor.as_mut_ptr().cast());
    // SAFETY: the first call that gets the list or the descriptor initializes it, and is passed the
    // size of the list. Both live until the pipe is made, and so does the user's id; the pipe has
    // copies.
    unsafe {
        check(InitializeAcl(list, size_of::<SecurityBuffer>() as u32, ACL_REVISION))?;
        check(AddAccessAllowedAce(list, ACL_REVISION, FILE_ALL_ACCESS, user.sid()))?;
        check(InitializeSecurityDescriptor(descriptor, SECURITY_DESCRIPTOR_REVISION))?;
        check(SetSecurityDescriptorOwner(descriptor, user.sid(), 0))?;
        check(SetSecurityDescriptorDacl(descriptor, 1, list, 0))?;
        let mut attributes = SECURITY_ATTRIBUTES {
            nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
            lpSecurityDescriptor: descriptor,
            bInheritHandle: 0,
        };
        options.create_with_security_attributes_raw(name, (&raw mut attributes).cast())
    }
}

/// Checks the owner of a pipe. Returns an error if another user made the pipe.
pub(super) fn check_owner(pipe: &impl AsRawHandle) -> io::Result<()> {
    let user = CurrentUser::query()?;
    let mut buffer = SecurityBuffer::default();
    let descriptor = (&raw mut buffer).cast();
    let (mut length, mut owner, mut is_default) = (0, null_mut(), 0);
    // SAFETY: the handle is open while it is borrowed, and the buffer lives and its size is passed.
    // The owner points into the descriptor. If there is none it is null, and `EqualSid` is not
    // called.
    let is_own = unsafe {
        check(GetKernelObjectSecurity(
            pipe.as_raw_handle(),
            OWNER_SECURITY_INFORMATION,
            descriptor,
            size_of::<SecurityBuffer>() as u32,
            &raw mut length,
        ))?;
        check(GetSecurityDescriptorOwner(descriptor, &raw mut owner, &raw mut is_default))?;
        !owner.is_null() && EqualSid(owner, user.sid()) != 0
    };
    if is_own {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "another user made the pipe"))
}

/// The user that this process runs as. The buffer begins with a `TOKEN_USER` that points into the
/// rest, so it must not move.
struct CurrentUser(Box<SecurityBuffer>);

impl CurrentUser {
    fn query() -> io::Result<Self> {
        let (mut token, mut buffer, mut length) = (null_mut(), Box::new(SecurityBuffer::default()), 0);
        // SAFETY: the handle of this process is always open, and the buffer lives and its size is
        // passed. Only the `OwnedHandle` owns the token that is opened.
        unsafe {
            check(OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token))?;
            let token = OwnedHandle::from_raw_handle(token);
            let (to, size) = ((&raw mut *buffer).cast(), size_of::<SecurityBuffer>() as u32);
            check(GetTokenInformation(token.as_raw_handle(), TokenUser, to, size, &raw mut length))?;
        }
        Ok(Self(buffer))
    }

    /// Returns the user's id. It lives as long as this value.
    fn sid(&self) -> PSID {
        // SAFETY: the system has written a `TOKEN_USER` here, and the buffer has its alignment.
        unsafe { (*(&raw const *self.0).cast::<TOKEN_USER>()).User.Sid }
    }
}
