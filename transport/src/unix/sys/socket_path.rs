use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::mem::offset_of;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::net::SocketAddrUnix;

/// Longest path of a socket, without its terminating zero: 107 bytes on Linux, 103 on macOS.
pub(in crate::unix) const MAX_PATH_BYTES: usize =
    size_of::<libc::sockaddr_un>() - offset_of!(libc::sockaddr_un, sun_path) - 1;

/// Prefix of the address of a socket in a private directory.
const PRIVATE_DIR_PREFIX: &str = "folder:";

/// The path of a socket. Its text is the address that a worker is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::unix) struct SocketPath {
    path: PathBuf,
    in_private_dir: bool,
}

impl SocketPath {
    /// A path in a directory that the user has made.
    pub(super) fn in_user_dir(path: PathBuf) -> Self {
        Self { path, in_private_dir: false }
    }

    /// A path in a private directory, which exists for the socket alone and is removed with it.
    pub(super) fn in_private_dir(path: PathBuf) -> Self {
        Self { path, in_private_dir: true }
    }

    /// Parses an address. Any text is valid.
    pub(in crate::unix) fn parse(address: &str) -> Self {
        let in_private_dir = address.starts_with(PRIVATE_DIR_PREFIX);
        Self { path: Self::path_in(address).into(), in_private_dir }
    }

    /// Returns the path within an address.
    pub(in crate::unix) fn path_in(address: &str) -> &str {
        address.strip_prefix(PRIVATE_DIR_PREFIX).unwrap_or(address)
    }

    pub(in crate::unix) fn path(&self) -> &Path {
        &self.path
    }

    pub(in crate::unix) fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// Returns `true` if only the user who made the directory can have put a socket there.
    pub(in crate::unix) fn is_private(&self) -> bool {
        self.in_private_dir
    }

    /// Returns `true` if `socket` is bound to this path.
    pub(in crate::unix) fn is_name_of(&self, socket: impl AsFd) -> bool {
        name(socket).is_ok_and(|name| name.path_bytes() == Some(self.path.as_os_str().as_bytes()))
    }

    /// Returns the path that the host has bound `listener` to, in a private directory. `None` if
    /// the host has not done so yet.
    pub(in crate::unix) fn bound_in_private_dir(listener: impl AsFd) -> Option<Self> {
        let name = name(listener).ok()?;
        Some(Self::in_private_dir(OsStr::from_bytes(name.path_bytes()?).into()))
    }
}

fn name(socket: impl AsFd) -> io::Result<SocketAddrUnix> {
    Ok(SocketAddrUnix::try_from(rustix::net::getsockname(socket)?)?)
}

impl fmt::Display for SocketPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if self.in_private_dir { PRIVATE_DIR_PREFIX } else { "" };
        write!(f, "{prefix}{}", self.path.display())
    }
}
