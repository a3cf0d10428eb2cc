use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::net::UnixStream;
use tokio::time::sleep;

use super::stream::acceptor::{Acceptor, accept};
use super::stream::socket::{SocketReader, SocketWriter};
use super::stream::socket_channel::{SocketChannel, check_peer_user, host_channel, worker_channel};
use super::sys::channel_ends::{self, descriptor_id, has_id};
use super::sys::socket_path::SocketPath;
use super::sys::{scm_rights, socket_file};
use crate::error::with_context;
use crate::{Bound, Cleanup, DeferredListener, Incoming, Inheritance, Reconnect, Transport};

/// Time for which a host tries to connect while the backlog of the worker's socket is full.
const FULL_BACKLOG_TIMEOUT: Duration = Duration::from_secs(5);

/// Interval at which it tries.
const FULL_BACKLOG_RETRY_INTERVAL: Duration = Duration::from_millis(1);

/// A pair of connected Unix domain sockets, and a third socket that starts to listen when the
/// worker is to be [reached again](Reconnect).
///
/// If no host needs to reach the worker again, use the simpler [`SocketPair`](crate::SocketPair).
///
/// The host is connected before the worker is started, so there is nothing to wait for or to retry.
/// The worker gets its socket as its standard input. Any other descriptor could leak into a child
/// that another thread starts at the same moment. The descriptor is moved aside before any code of
/// the worker runs; the standard input is empty from then on.
///
/// The third socket reaches the worker through the connection, before anything else. It has no name
/// until the host opens the [`DeferredListener`](crate::DeferredListener). It then listens in a
/// private directory (0700), in the system's directory for temporary files. Only the user and root
/// can reach it there, and the worker need not see that directory. Each side checks that the
/// process at the other end runs as the same user or as root.
///
/// # Files
/// Nothing is on disk until the host opens the listener. Then the host removes socket and directory
/// when the worker is gone, and the worker does so when it ends:
/// [`Channel::cleanup`](crate::Channel::cleanup). If both are killed, a directory with a dead
/// socket remains. Nothing searches for it: only connecting shows that a socket is dead, and the
/// socket might belong to a running worker. A [`dial`](Reconnect::dial) to the dead socket removes
/// it, and so does the system when it clears its temporary files.
#[derive(Clone, Copy, Debug, Default)]
pub struct UnixSocket;

impl UnixSocket {
    /// Returns a transport whose socket is at `path`, which other programs can know beforehand. It
    /// serves one worker at a time.
    ///
    /// The directory must exist. If every user can write to it, it must keep them from replacing
    /// files of another user, as `/tmp` does by its sticky bit. Otherwise binding fails. A
    /// directory that its group can write to, or that belongs to another user, is accepted: they
    /// can remove the socket or put another in its place, but cannot pose as host or worker,
    /// because each side checks the user of the other. The mode of the socket is 0600 before anyone
    /// can connect. A dead socket of the same user is replaced; anything else at `path` is an
    /// error.
    ///
    /// The path must be UTF-8 of at most 107 bytes (103 on macOS). A relative path starts at the
    /// host's working directory.
    pub fn at(path: impl Into<PathBuf>) -> UnixSocketAt {
        UnixSocketAt { path: path.into() }
    }
}

/// A Unix domain socket at a path of your choice: [`UnixSocket::at`]. The worker may serve on
/// [`UnixSocket`].
#[derive(Clone, Debug)]
pub struct UnixSocketAt {
    path: PathBuf,
}

/// Prefix of an address that names a socket of a pair. The id of the socket follows it.
const PAIR_PREFIX: &str = "pair:";

impl Transport for UnixSocket {
    const NAME: &'static str = "unix-socket";
    type Reader = SocketReader;
    type Writer = SocketWriter;
    type Bound = UnixSocketBound;

    fn bind(&self) -> io::Result<UnixSocketBound> {
        UnixSocketBound::paired()
    }

    fn is_inherited(&self, address: &str) -> bool {
        channel_ends::are_captured(address)
    }

    async fn attach(&self, address: &str) -> io::Result<SocketChannel> {
        let end = channel_ends::take(address)?.stdin;
        match address.strip_prefix(PAIR_PREFIX) {
            Some(_) => attach_to_pair(end.into()),
            None => attach_to_listener(end.into(), &SocketPath::parse(address)).await,
        }
    }
}

impl Reconnect for UnixSocket {
    async fn dial(&self, address: &str) -> io::Result<SocketChannel> {
        dial(&SocketPath::parse(address)).await
    }
}

impl Transport for UnixSocketAt {
    const NAME: &'static str = UnixSocket::NAME;
    type Reader = SocketReader;
    type Writer = SocketWriter;
    type Bound = UnixSocketBound;

    fn bind(&self) -> io::Result<UnixSocketBound> {
        UnixSocketBound::listening(socket_file::listen_at(&self.path)?)
    }

    fn is_inherited(&self, address: &str) -> bool {
        UnixSocket.is_inherited(address)
    }

    async fn attach(&self, address: &str) -> io::Result<SocketChannel> {
        UnixSocket.attach(address).await
    }
}

impl Reconnect for UnixSocketAt {
    async fn dial(&self, address: &str) -> io::Result<SocketChannel> {
        UnixSocket.dial(address).await
    }
}

/// Returns `true` if the standard input is the socket at `address`.
pub(super) fn is_standard_input(address: &str) -> bool {
    let stdin = rustix::stdio::stdin();
    match address.strip_prefix(PAIR_PREFIX) {
        Some(id) => has_id(stdin, id),
        None => SocketPath::parse(address).is_name_of(stdin),
    }
}

/// The host's end. Connected from the start.
#[derive(Debug)]
pub struct UnixSocketBound {
    /// The other socket of the pair, or the listener that still holds the host's connection. The
    /// worker takes it. No other process has it, so the stream ends when the worker is gone.
    worker_end: Option<OwnedFd>,
    stream: StdStream,
    address: String,
    deferred_listener: Option<DeferredListener>,
    cleanup: Option<Cleanup>,
}

impl UnixSocketBound {
    /// For [`UnixSocket`]: a pair, and an unnamed socket for later connections.
    fn paired() -> io::Result<Self> {
        let (stream, worker_end) = StdStream::pair()?;
        stream.set_nonblocking(true)?;
        let listener = socket_file::unnamed()?;
        scm_rights::send(&stream, &listener)?;
        let open = move || {
            let (path, cleanup) = socket_file::listen_in_private_dir(&listener)?;
            Ok((path.to_string(), cleanup))
        };
        Ok(Self {
            address: format!("{PAIR_PREFIX}{}", descriptor_id(&worker_end)?),
            worker_end: Some(worker_end.into()),
            stream,
            deferred_listener: Some(DeferredListener::new(open)),
            cleanup: None,
        })
    }

    /// For [`UnixSocketAt`]: a listener, and the host's connection in its backlog.
    fn listening((listener, path, cleanup): (OwnedFd, SocketPath, Cleanup)) -> io::Result<Self> {
        let stream = socket_file::connect(path.path()).map_err(|error| {
            with_context(&format!("could not connect to {}", path.path().display()), error)
        })?;
        Ok(Self {
            worker_end: Some(listener),
            stream: stream.into(),
            address: path.to_string(),
            deferred_listener: None,
            cleanup: Some(cleanup),
        })
    }
}

impl Bound for UnixSocketBound {
    type Reader = SocketReader;
    type Writer = SocketWriter;

    fn inheritance(&mut self) -> Inheritance {
        let inheritance = Inheritance::new(self.address.clone());
        match self.worker_end.take() {
            Some(end) => inheritance.stdin(end),
            None => inheritance,
        }
    }

    async fn establish(self) -> io::Result<SocketChannel> {
        let mut channel = host_channel(self.stream)?;
        (channel.deferred_listener, channel.cleanup) = (self.deferred_listener, self.cleanup);
        Ok(channel)
    }
}

async fn dial(path: &SocketPath) -> io::Result<SocketChannel> {
    let gives_up = Instant::now() + FULL_BACKLOG_TIMEOUT;
    let stream = loop {
        match UnixStream::connect(path.path()).await {
            Ok(stream) => break stream,
            // A worker that hears many strangers accepts further connections slowly.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < gives_up => {
                sleep(FULL_BACKLOG_RETRY_INTERVAL).await;
            }
            Err(error) => return Err(unreachable(path, error)),
        }
    };
    let stream = stream.into_std()?;
    check_peer_user(&stream)?;
    Ok(host_channel(stream)?.cleanup(socket_file::cleanup(path)?))
}

fn unreachable(path: &SocketPath, error: io::Error) -> io::Error {
    let cause = match error.kind() {
        io::ErrorKind::NotFound => "the worker has ended",
        io::ErrorKind::ConnectionRefused => {
            // No process listens, and none will: the name of a private directory is never used
            // again. At a path of the user's, a process may be about to listen.
            if path.is_private()
                && let Ok(dead) = socket_file::cleanup(path)
            {
                dead.run();
            }
            "the worker has ended, or accepts no more connections"
        }
        io::ErrorKind::WouldBlock => {
            "too many connections wait for the worker to accept them; try again later"
        }
        _ => "the system refused",
    };
    with_context(&format!("could not connect to the worker at {}: {cause}", path.path().display()), error)
}

/// Attaches to one socket of a pair. The listener for later connections arrives through it.
fn attach_to_pair(stream: StdStream) -> io::Result<SocketChannel> {
    stream.set_nonblocking(true)?;
    let listener = Arc::new(StdListener::from(scm_rights::receive(&stream)?));
    let path = Arc::new(DeferredPath { listener: Arc::downgrade(&listener), path: OnceLock::new() });
    let cleanup = Cleanup::new({
        let path = Arc::clone(&path);
        move || path.get().into_iter().for_each(socket_file::remove_any_socket)
    });
    let mut acceptor = PairAcceptor { acceptor: Acceptor::new(listener), path };
    let incoming = Incoming::new(move |context| acceptor.poll_trusted(context));
    Ok(worker_channel(stream)?.incoming(incoming).cleanup(cleanup))
}

/// Path of a listener that the host binds at any time. It is read when it is needed, because the
/// host may be killed at once after it has bound the listener.
struct DeferredPath {
    listener: Weak<StdListener>,
    path: OnceLock<SocketPath>,
}

impl DeferredPath {
    /// Returns `None` if the host has not bound the listener.
    fn get(&self) -> Option<&SocketPath> {
        if self.path.get().is_none()
            && let Some(listener) = self.listener.upgrade()
            && let Some(bound) = SocketPath::bound_in_private_dir(&*listener)
        {
            let _ = self.path.set(bound);
        }
        self.path.get()
    }
}

/// Acceptor that reads the path before it closes the listener.
struct PairAcceptor {
    acceptor: Acceptor,
    path: Arc<DeferredPath>,
}

impl PairAcceptor {
    fn poll_trusted(&mut self, context: &mut Context<'_>) -> Poll<io::Result<SocketChannel>> {
        self.acceptor.poll_trusted(context)
    }
}

impl Drop for PairAcceptor {
    fn drop(&mut self) {
        self.path.get();
    }
}

/// Attaches to a listener at a path, by accepting the host's connection.
async fn attach_to_listener(listener: StdListener, path: &SocketPath) -> io::Result<SocketChannel> {
    listener.set_nonblocking(true)?;
    // If the host has ended, it has removed the socket, and the stream ends as well.
    accept(listener, socket_file::cleanup(path).ok()).await
}
