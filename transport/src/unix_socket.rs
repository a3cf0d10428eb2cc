use std::fs::Permissions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::sockopt;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};

use crate::{Bound, Channel, Inheritance, Transport};

/// A Unix domain socket that listens in a folder of its own; the worker inherits the listener.
///
/// The host is connected before the worker is started, so there is nothing to wait for and nothing to try again, and
/// the socket's file is gone by then. Nobody but the user (and root) can reach the folder, which is made 0700 in the
/// system's folder for temporary files, and the worker checks that the process behind the stream is the same user's.
///
/// The worker gets the listener as its standard input, because that is the one way to hand a descriptor to a child
/// that no other child, started by another thread at the same moment, can inherit too. It is moved aside when the
/// worker attaches; from then on its standard input is empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct UnixSocket;

/// In bytes. The kernel gives less where `net.core.wmem_max` is less. A large body then takes few wake-ups.
const SEND_BUFFER: usize = 1 << 20;

impl Transport for UnixSocket {
    const NAME: &'static str = "unix-socket";
    type Reader = OwnedReadHalf;
    type Writer = OwnedWriteHalf;
    type Bound = UnixBound;

    fn bind(&self) -> io::Result<UnixBound> {
        let folder = tempfile::Builder::new()
            .prefix("isolated-workers-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()
            .map_err(|error| because("could not make a folder for the socket", error))?;
        let path = folder.path().join("worker.sock");
        let listener = StdListener::bind(&path).map_err(|error| bind_failed(&path, error))?;
        let stream = StdStream::connect(&path)
            .map_err(|error| because(&format!("could not connect to {}", path.display()), error))?;
        // Both ends are open: the file has done its duty, and so none can be left behind, however either side ends.
        let address = path.display().to_string();
        folder.close().map_err(|error| because("could not remove the folder of the socket", error))?;
        Ok(UnixBound { listener: Some(listener.into()), stream, address })
    }

    fn is_inherited(&self, address: &str) -> bool {
        inherited_listener(address).is_ok()
    }

    async fn attach(&self, address: &str) -> io::Result<Channel<OwnedReadHalf, OwnedWriteHalf>> {
        let listener = inherited_listener(address)?;
        listener.set_nonblocking(true)?;
        let null = std::fs::File::open("/dev/null")?;
        rustix::stdio::dup2_stdin(null)?;

        let (stream, _) = UnixListener::from_std(listener)?.accept().await?;
        check_user(&stream)?;
        let watched = stream.as_fd().try_clone_to_owned()?;
        let (reader, writer) = split(stream);
        Ok(Channel::with_hangup(reader, writer, move || wait_for_hangup(&watched)))
    }
}

/// The host's end: connected, but to a listener that nobody has accepted from yet.
#[derive(Debug)]
pub struct UnixBound {
    /// Taken by the worker. When the worker is gone, the stream ends, because nobody else has it.
    listener: Option<OwnedFd>,
    stream: StdStream,
    address: String,
}

impl Bound for UnixBound {
    type Reader = OwnedReadHalf;
    type Writer = OwnedWriteHalf;

    fn inheritance(&mut self) -> Inheritance {
        let inheritance = Inheritance::new(self.address.clone());
        match self.listener.take() {
            Some(listener) => inheritance.stdin(listener),
            None => inheritance,
        }
    }

    async fn establish(self) -> io::Result<Channel<OwnedReadHalf, OwnedWriteHalf>> {
        self.stream.set_nonblocking(true)?;
        let (reader, writer) = split(UnixStream::from_std(self.stream)?);
        Ok(Channel::new(reader, writer))
    }
}

fn split(stream: UnixStream) -> (OwnedReadHalf, OwnedWriteHalf) {
    // A hint: the stream works with any size.
    let _ = sockopt::set_socket_send_buffer_size(&stream, SEND_BUFFER);
    stream.into_split()
}

/// A copy of the standard input, if that is the listener which was bound to `address`.
fn inherited_listener(address: &str) -> io::Result<StdListener> {
    let listener = StdListener::from(io::stdin().as_fd().try_clone_to_owned()?);
    let bound = listener.local_addr();
    match bound.as_ref().map(|bound| bound.as_pathname()) {
        Ok(Some(path)) if path == Path::new(address) => Ok(listener),
        _ => Err(io::Error::new(
            io::ErrorKind::NotConnected,
            "the standard input of this process is not the socket of its host; leave it alone until `serve`",
        )),
    }
}

fn check_user(stream: &UnixStream) -> io::Result<()> {
    let peer = stream.peer_cred()?.uid();
    let own = rustix::process::geteuid().as_raw();
    if peer == own || peer == 0 {
        return Ok(());
    }
    let why = format!("the process behind the socket is that of user {peer}, and this one is that of {own}");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

fn wait_for_hangup(stream: &OwnedFd) {
    // No flag is asked for: a hang-up is told always, and only when both directions are closed.
    while let Err(Errno::INTR) = poll(&mut [PollFd::new(stream, PollFlags::empty())], None) {}
}

fn bind_failed(path: &Path, error: io::Error) -> io::Error {
    let length = path.as_os_str().len();
    let attempt = format!("could not listen at {}", path.display());
    if error.kind() == io::ErrorKind::InvalidInput {
        let why = format!("its path of {length} bytes is too long for a socket; set TMPDIR to a shorter one");
        return because(&attempt, io::Error::new(error.kind(), why));
    }
    because(&attempt, error)
}

fn because(attempt: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{attempt}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_socket_leaves_no_file_and_ends_with_its_listener() {
        use std::io::Read;

        let mut bound = UnixSocket.bind().unwrap();
        assert!(!Path::new(&bound.address).exists());
        drop(bound.inheritance());
        let end = bound.stream.read(&mut [0]);
        assert!(matches!(&end, Ok(0)) || end.is_err(), "{end:?}");
    }

    #[test]
    fn a_process_that_inherited_nothing_is_told_so() {
        assert!(!UnixSocket.is_inherited("/tmp/isolated-workers-none/worker.sock"));
    }
}
