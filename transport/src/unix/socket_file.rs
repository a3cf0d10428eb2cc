//! A listening socket and its file: who makes it, who may reach it, who removes it.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{File, Metadata, Permissions};
use std::io;
use std::mem::offset_of;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rustix::fs::{FlockOperation, flock};
use rustix::net::SocketAddrUnix;
use tempfile::TempDir;

use super::folder;
use crate::Cleanup;
use crate::error::because;

/// The longest path of a socket in bytes: 107 on Linux, 103 on macOS. A zero follows it.
const LONGEST: usize = size_of::<libc::sockaddr_un>() - offset_of!(libc::sockaddr_un, sun_path) - 1;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;

/// Where a socket is. As text it is the address that a worker is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    path: PathBuf,
    /// Whether the folder is there for the socket alone, and goes with it.
    with_folder: bool,
}

const WITH_FOLDER: &str = "folder:";

impl Place {
    pub(super) fn parse(address: &str) -> Self {
        Self { path: path_of(address).into(), with_folder: address.starts_with(WITH_FOLDER) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }

    /// Whether nobody but its maker can have put a socket there.
    pub(super) fn is_private(&self) -> bool {
        self.with_folder
    }
}

/// The path in the address of a place.
pub(super) fn path_of(address: &str) -> &str {
    address.strip_prefix(WITH_FOLDER).unwrap_or(address)
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if self.with_folder { WITH_FOLDER } else { "" };
        write!(f, "{prefix}{}", self.path.display())
    }
}

/// Has a socket that has no name yet listen in a fresh folder that only the user can enter.
pub(super) fn listen_in_folder(socket: &OwnedFd) -> io::Result<(Place, Cleanup)> {
    let (folder, path) = in_folder()?;
    bind(socket, &path).map_err(|error| failed(&path, error))?;
    listen(socket, &path)?;
    let place = Place { path, with_folder: true };
    let cleanup = cleanup(&place)?;
    // From here on it is the cleanup that removes it.
    let _ = folder.keep();
    Ok((place, cleanup))
}

/// Where the host has had this socket listen.
pub(super) fn folder_of(listener: impl AsFd) -> Option<Place> {
    let bound = SocketAddrUnix::try_from(rustix::net::getsockname(listener).ok()?).ok()?;
    Some(Place { path: OsStr::from_bytes(bound.path_bytes()?).into(), with_folder: true })
}

/// What is to be removed in the folder that is told of by the time that the worker is gone.
pub(super) fn residue_in_folder(place: Arc<OnceLock<Place>>) -> Cleanup {
    Cleanup::new(move || place.get().into_iter().for_each(remove_any))
}

fn in_folder() -> io::Result<(TempDir, PathBuf)> {
    let folder = folder::private()?;
    let path = folder.path().join("worker.sock");
    folder::text(&path)?;
    check_length(&path, "set TMPDIR to a folder with a shorter path")?;
    Ok((folder, path))
}

/// Listens at `path`, in a folder that the user has made.
pub(super) fn listen_at(path: &Path) -> io::Result<(OwnedFd, Place, Cleanup)> {
    let (folder, path) = at(path)?;
    // Whoever clears a dead socket away must not take one for dead that is bound and does not listen yet.
    lock(&folder, FlockOperation::NonBlockingLockShared, &path)?;
    let listener = nameless()?;
    let bound = match bind(&listener, &path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            lock(&folder, FlockOperation::NonBlockingLockExclusive, &path)?;
            clear_dead(&path)?;
            bind(&listener, &path)
        }
        bound => bound,
    };
    bound.map_err(|error| failed(&path, error))?;
    listen(&listener, &path)?;
    let place = Place { path, with_folder: false };
    let cleanup = cleanup(&place)?;
    Ok((listener, place, cleanup))
}

fn at(path: &Path) -> io::Result<(File, PathBuf)> {
    let path = std::path::absolute(path)?;
    folder::text(&path)?;
    check_length(&path, "choose a shorter one")?;
    let parent = path.parent().ok_or_else(|| failed(&path, io::ErrorKind::InvalidInput.into()))?;
    let folder = File::open(parent).map_err(|error| failed(&path, error))?;
    check_folder(parent, &folder.metadata()?)?;
    Ok((folder, path))
}

/// A place for a socket that the worker makes, in a fresh folder that only the user can enter.
pub(super) fn expect_in_folder() -> io::Result<(Place, Cleanup)> {
    let (folder, path) = in_folder()?;
    // From here on it is the cleanup that removes it.
    let _ = folder.keep();
    Ok(expected(Place { path, with_folder: true }))
}

/// A place for a socket that the worker makes at `path`, where there is none but perhaps a dead one, which is removed.
pub(super) fn expect_at(path: &Path) -> io::Result<(Place, Cleanup)> {
    let (folder, path) = at(path)?;
    if path.symlink_metadata().is_ok() {
        lock(&folder, FlockOperation::NonBlockingLockExclusive, &path)?;
        clear_dead(&path)?;
    }
    Ok(expected(Place { path, with_folder: false }))
}

/// With what is to be removed where the host never gets to see whose socket it is.
fn expected(place: Place) -> (Place, Cleanup) {
    let cleanup = Cleanup::new({
        let place = place.clone();
        move || remove_any(&place)
    });
    (place, cleanup)
}

fn remove_any(place: &Place) {
    if std::fs::symlink_metadata(&place.path).is_ok_and(|found| found.file_type().is_socket()) {
        let _ = std::fs::remove_file(&place.path);
    }
    remove_folder(place);
}

/// What is to be removed when the worker at `place` is gone: the socket that is there now, and not one that somebody
/// puts there later.
pub(super) fn cleanup(place: &Place) -> io::Result<Cleanup> {
    let found = std::fs::symlink_metadata(&place.path).map_err(|error| failed(&place.path, error))?;
    let made = Identity::of(&found);
    let place = place.clone();
    Ok(Cleanup::new(move || remove(&place, made)))
}

fn remove(place: &Place, made: Identity) {
    if std::fs::symlink_metadata(&place.path).is_ok_and(|found| Identity::of(&found) == made) {
        let _ = std::fs::remove_file(&place.path);
    }
    remove_folder(place);
}

/// Fails where something else is in it.
fn remove_folder(place: &Place) {
    if place.with_folder {
        let _ = std::fs::remove_dir(place.folder());
    }
}

/// Tells a file from another that is made later at the same path. The number alone is used again at once.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    number: u64,
    /// In seconds and nanoseconds.
    changed: (i64, i64),
}

impl Identity {
    fn of(file: &Metadata) -> Self {
        Self { device: file.dev(), number: file.ino(), changed: (file.ctime(), file.ctime_nsec()) }
    }
}

/// A socket that does not block, and that nobody can find.
pub(super) fn nameless() -> io::Result<OwnedFd> {
    tokio::net::UnixSocket::new_stream()?.as_fd().try_clone_to_owned()
}

/// Names a socket. Nobody can connect to it yet.
fn bind(socket: &OwnedFd, path: &Path) -> io::Result<()> {
    Ok(rustix::net::bind(socket, &SocketAddrUnix::new(path)?)?)
}

/// Lets the user connect, and nobody else but root.
fn listen(socket: &OwnedFd, path: &Path) -> io::Result<()> {
    let permitted = std::fs::set_permissions(path, Permissions::from_mode(0o600));
    permitted.and_then(|()| Ok(rustix::net::listen(socket, BACKLOG)?)).map_err(|error| {
        let _ = std::fs::remove_file(path);
        failed(path, error)
    })
}

/// Connects without waiting: a socket that listens has room, or has not. The stream does not block.
pub(super) fn connect(path: &Path) -> io::Result<OwnedFd> {
    let socket = nameless()?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

fn check_length(path: &Path, advice: &str) -> io::Result<()> {
    let length = path.as_os_str().len();
    if length <= LONGEST {
        return Ok(());
    }
    let why = format!("its path has {length} bytes, and that of a socket at most {LONGEST}; {advice}");
    Err(failed(path, io::Error::new(io::ErrorKind::InvalidInput, why)))
}

fn check_folder(path: &Path, folder: &Metadata) -> io::Result<()> {
    /// Everybody may write, and nobody is kept from replacing what is another's.
    const OPEN: u32 = 0o002;
    const STICKY: u32 = 0o1000;
    if folder.mode() & (OPEN | STICKY) != OPEN {
        return Ok(());
    }
    let why = format!(
        "everybody may put something else in its place in {}; choose a folder that others cannot write to",
        path.display()
    );
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

fn lock(folder: &File, how: FlockOperation, path: &Path) -> io::Result<()> {
    flock(folder, how).map_err(|error| {
        let error = io::Error::from(error);
        if error.kind() == io::ErrorKind::WouldBlock {
            let why = "another worker is being started in this folder, and a file is in the way; try again";
            return failed(path, io::Error::new(io::ErrorKind::AddrInUse, why));
        }
        failed(path, error)
    })
}

/// Removes a socket of the user's that nobody listens at any more, and nothing else.
fn clear_dead(path: &Path) -> io::Result<()> {
    let in_use = |why: &str| Err(failed(path, io::Error::new(io::ErrorKind::AddrInUse, why)));
    let found = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.file_type().is_socket() {
        return in_use("there is a file that is no socket");
    }
    if found.uid() != rustix::process::geteuid().as_raw() {
        return in_use("there is a socket of another user");
    }
    match connect(path) {
        Ok(_) => in_use("another process listens there"),
        // It listens, and has more connections waiting than it takes.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => in_use("another process listens there"),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(error) => Err(failed(path, error)),
    }
}

fn failed(path: &Path, error: io::Error) -> io::Error {
    because(&format!("could not listen at {}", path.display()), error)
}
