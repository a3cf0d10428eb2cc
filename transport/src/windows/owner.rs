//! Pipes that nobody but the user can open: how they are made, and how one is told from a stranger's.
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

use super::system::told;

/// Room for any of what is asked for here: an id of a user has 68 bytes at most, and the head of what it is in has 20.
type Room = [u64; 16];

/// Makes a pipe that is the user's, and that nobody else can open.
pub(super) fn create(options: &ServerOptions, name: &str) -> io::Result<NamedPipeServer> {
    let user = User::current()?;
    let mut list = Room::default();
    let mut descriptor = MaybeUninit::<SECURITY_DESCRIPTOR>::uninit();
    let (list, made) = ((&raw mut list).cast::<ACL>(), descriptor.as_mut_ptr().cast());
    // SAFETY: list and descriptor are initialised by the first call that gets them, which hears how large the list is.
    // They and the id live until the pipe is made, and it has copies then.
    unsafe {
        told(InitializeAcl(list, size_of::<Room>() as u32, ACL_REVISION))?;
        told(AddAccessAllowedAce(list, ACL_REVISION, FILE_ALL_ACCESS, user.id()))?;
        told(InitializeSecurityDescriptor(made, SECURITY_DESCRIPTOR_REVISION))?;
        told(SetSecurityDescriptorOwner(made, user.id(), 0))?;
        told(SetSecurityDescriptorDacl(made, 1, list, 0))?;
        let mut attributes = SECURITY_ATTRIBUTES {
            nLength: size_of::<SECURITY_ATTRIBUTES>() as u32,
            lpSecurityDescriptor: made,
            bInheritHandle: 0,
        };
        options.create_with_security_attributes_raw(name, (&raw mut attributes).cast())
    }
}

/// # Errors
/// The pipe was made by another user.
pub(super) fn check(pipe: &impl AsRawHandle) -> io::Result<()> {
    let user = User::current()?;
    let mut room = Room::default();
    let descriptor = (&raw mut room).cast();
    let (mut length, mut owner, mut is_default) = (0, null_mut(), 0);
    // SAFETY: the handle is open while it is borrowed, and what is written to lives and says how large it is. The owner
    // points into the descriptor; where there is none it is null and not looked at.
    let is_own = unsafe {
        told(GetKernelObjectSecurity(
            pipe.as_raw_handle(),
            OWNER_SECURITY_INFORMATION,
            descriptor,
            size_of::<Room>() as u32,
            &raw mut length,
        ))?;
        told(GetSecurityDescriptorOwner(descriptor, &raw mut owner, &raw mut is_default))?;
        !owner.is_null() && EqualSid(owner, user.id()) != 0
    };
    if is_own {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, "the pipe is another user's"))
}

/// The user that this process runs as: what begins with a `TOKEN_USER`, which points to what follows it, and so stays
/// where it is.
struct User(Box<Room>);

impl User {
    fn current() -> io::Result<Self> {
        let (mut token, mut room, mut length) = (null_mut(), Box::new(Room::default()), 0);
        // SAFETY: the handle of this process is always open, and what is written to lives and says how large it is. The
        // token that is opened is nobody else's.
        unsafe {
            told(OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &raw mut token))?;
            let token = OwnedHandle::from_raw_handle(token);
            let (to, size) = ((&raw mut *room).cast(), size_of::<Room>() as u32);
            told(GetTokenInformation(token.as_raw_handle(), TokenUser, to, size, &raw mut length))?;
        }
        Ok(Self(room))
    }

    /// It lives as long as this value.
    fn id(&self) -> PSID {
        // SAFETY: the system has put a `TOKEN_USER` there, and the room is aligned as one.
        unsafe { (*(&raw const *self.0).cast::<TOKEN_USER>()).User.Sid }
    }
}
