//! Listening sockets and their files: creation, permissions, removal.

use std::fs::{File, Metadata, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::net::SocketAddrUnix;

use super::private_dir::{self, PrivateDir};
use super::socket_path::{MAX_PATH_BYTES, SocketPath};
use crate::Cleanup;
use crate::error::with_context;

/// Number of connections that may wait to be accepted.
const BACKLOG: i32 = 128;

/// Binds `socket`, which has no name yet, in a fresh private directory, and listens.
pub(in crate::unix) fn listen_in_private_dir(socket: &OwnedFd) -> io::Result<(SocketPath, Cleanup)> {
    let dir = private_dir()?;
    bind(socket, dir.file()).map_err(|error| failed(dir.file(), error))?;
    listen(socket, dir.file())?;
    let path = SocketPath::in_private_dir(dir.file().into());
    let cleanup = cleanup(&path)?;
    // From here on the cleanup removes it.
    dir.keep();
    Ok((path, cleanup))
}

/// Listens at `path`, in a directory that the user has made.
pub(in crate::unix) fn listen_at(path: &Path) -> io::Result<(OwnedFd, SocketPath, Cleanup)> {
    let (dir, path) = path_in_user_dir(path)?;
    // A socket that is bound but does not listen yet looks dead. The shared lock keeps others from
    // removing this one.
    lock(&dir, FlockOperation::NonBlockingLockShared, &path)?;
    let listener = unnamed()?;
    let bound = match bind(&listener, &path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            lock(&dir, FlockOperation::NonBlockingLockExclusive, &path)?;
            remove_dead_socket(&path)?;
            bind(&listener, &path)
        }
        bound => bound,
    };
    bound.map_err(|error| failed(&path, error))?;
    listen(&listener, &path)?;
    let path = SocketPath::in_user_dir(path);
    let cleanup = cleanup(&path)?;
    Ok((listener, path, cleanup))
}

/// Reserves a path for a socket that the worker makes, in a fresh private directory.
pub(in crate::unix) fn reserve_in_private_dir() -> io::Result<(SocketPath, Cleanup)> {
    // From here on the cleanup removes it.
    Ok(with_cleanup_of_any_socket(SocketPath::in_private_dir(private_dir()?.keep())))
}

/// Reserves `path` for a socket that the worker makes. Removes a dead socket, and fails if anything
/// else exists there.
pub(in crate::unix) fn reserve_at(path: &Path) -> io::Result<(SocketPath, Cleanup)> {
    let (dir, path) = path_in_user_dir(path)?;
    if path.symlink_metadata().is_ok() {
        lock(&dir, FlockOperation::NonBlockingLockExclusive, &path)?;
        remove_dead_socket(&path)?;
    }
    Ok(with_cleanup_of_any_socket(SocketPath::in_user_dir(path)))
}

/// Returns a socket without a name. It does not block.
pub(in crate::unix) fn unnamed() -> io::Result<OwnedFd> {
    tokio::net::UnixSocket::new_stream()?.as_fd().try_clone_to_owned()
}

/// Connects without waiting, and fails if the backlog of the listener is full. The stream does not
/// block.
pub(in crate::unix) fn connect(path: &Path) -> io::Result<OwnedFd> {
    let socket = unnamed()?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

/// Returns the cleanup of a worker at `path`. It removes the socket that is there now, but not one
/// that is bound there later.
pub(in crate::unix) fn cleanup(path: &SocketPath) -> io::Result<Cleanup> {
    let metadata = std::fs::symlink_metadata(path.path()).map_err(|error| failed(path.path(), error))?;
    let bound = FileId::of(&metadata);
    let path = path.clone();
    Ok(Cleanup::new(move || {
        if std::fs::symlink_metadata(path.path()).is_ok_and(|found| FileId::of(&found) == bound) {
            let _ = std::fs::remove_file(path.path());
        }
        remove_private_dir(&path);
    }))
}

/// Adds the cleanup for a host that never sees which process has bound the socket.
fn with_cleanup_of_any_socket(path: SocketPath) -> (SocketPath, Cleanup) {
    let cleanup = Cleanup::new({
        let path = path.clone();
        move || remove_any_socket(&path)
    });
    (path, cleanup)
}

/// Removes the socket at `path`, whoever has bound it, and the directory if it is private.
pub(in crate::unix) fn remove_any_socket(path: &SocketPath) {
    if std::fs::symlink_metadata(path.path()).is_ok_and(|found| found.file_type().is_socket()) {
        let _ = std::fs::remove_file(path.path());
    }
    remove_private_dir(path);
}

/// Removes the directory if it is private and empty.
fn remove_private_dir(path: &SocketPath) {
    if path.is_private() {
        let _ = std::fs::remove_dir(path.dir());
    }
}

/// Identity of a file, different from that of a file made later at the same path. The inode number
/// alone is not enough, because the system reuses it at once.
#[derive(Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
    /// Time of the last change, in seconds and nanoseconds.
    changed: (i64, i64),
}

impl FileId {
    fn of(file: &Metadata) -> Self {
        Self { device: file.dev(), inode: file.ino(), changed: (file.ctime(), file.ctime_nsec()) }
    }
}

/// Binds a socket. Connections are refused before `listen`.
fn bind(socket: &OwnedFd, path: &Path) -> io::Result<()> {
    Ok(rustix::net::bind(socket, &SocketAddrUnix::new(path)?)?)
}

/// Allows connections of the user and of root only.
fn listen(socket: &OwnedFd, path: &Path) -> io::Result<()> {
    let permitted = std::fs::set_permissions(path, Permissions::from_mode(0o600));
    permitted.and_then(|()| Ok(rustix::net::listen(socket, BACKLOG)?)).map_err(|error| {
        let _ = std::fs::remove_file(path);
        failed(path, error)
    })
}

fn private_dir() -> io::Result<PrivateDir> {
    let dir = PrivateDir::create("worker.sock")?;
    private_dir::utf8(dir.file())?;
    check_length(dir.file(), "set TMPDIR to a directory with a shorter path")?;
    Ok(dir)
}

fn path_in_user_dir(path: &Path) -> io::Result<(File, PathBuf)> {
    let path = std::path::absolute(path)?;
    private_dir::utf8(&path)?;
    check_length(&path, "choose a shorter one")?;
    let parent = path.parent().ok_or_else(|| failed(&path, io::ErrorKind::InvalidInput.into()))?;
    let dir = File::open(parent).map_err(|error| failed(&path, error))?;
    check_dir(&path, parent, &dir.metadata()?)?;
    Ok((dir, path))
}

fn check_length(path: &Path, remedy: &str) -> io::Result<()> {
    let length = path.as_os_str().len();
    if length <= MAX_PATH_BYTES {
        return Ok(());
    }
    let cause = format!("its path has {length} bytes, and a socket's has at most {MAX_PATH_BYTES}; {remedy}");
    Err(failed(path, io::Error::new(io::ErrorKind::InvalidInput, cause)))
}

/// Returns an error for a directory in which any user can replace another user's file.
fn check_dir(path: &Path, dir: &Path, metadata: &Metadata) -> io::Result<()> {
    const OTHERS_WRITE: u32 = 0o002;
    const STICKY: u32 = 0o1000;
    if metadata.mode() & (OTHERS_WRITE | STICKY) != OTHERS_WRITE {
        return Ok(());
    }
    let cause = format!(
        "any user can replace files in {}; choose a directory that others cannot write to",
        dir.display()
    );
    Err(failed(path, io::Error::new(io::ErrorKind::PermissionDenied, cause)))
}

fn lock(dir: &File, operation: FlockOperation, path: &Path) -> io::Result<()> {
    flock(dir, operation).map_err(|error| {
        let error = io::Error::from(error);
        if error.kind() == io::ErrorKind::WouldBlock {
            let cause =
                "another worker is being started in this directory, and a file is in the way; try again";
            return failed(path, io::Error::new(io::ErrorKind::AddrInUse, cause));
        }
        failed(path, error)
    })
}

/// Removes the user's own socket if no process listens at it. Fails if anything else exists at
/// `path`.
fn remove_dead_socket(path: &Path) -> io::Result<()> {
    let in_use = |cause: &str| Err(failed(path, io::Error::new(io::ErrorKind::AddrInUse, cause)));
    let found = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return in_use("the file there is not a socket; remove it, or choose another path");
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return in_use("the socket there belongs to another user; choose another path");
    }
    let listens = "another process listens there; stop it, or choose another path";
    match connect(path) {
        Ok(_) => in_use(listens),
        // Its backlog is full.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => in_use(listens),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(error) => Err(failed(path, error)),
    }
}

fn failed(path: &Path, error: io::Error) -> io::Error {
    with_context(&format!("could not listen at {}", path.display()), error)
}
