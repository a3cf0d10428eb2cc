use std::io;
use std::os::unix::net::UnixStream as StdStream;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::sleep;

use super::stream::acceptor::accept;
use super::stream::socket::{SocketReader, SocketWriter};
use super::stream::socket_channel::{SocketChannel, check_peer_user, host_channel};
use super::sys::dir_watcher::DirWatcher;
use super::sys::socket_file;
use super::sys::socket_path::SocketPath;
use crate::error::with_context;
use crate::{Bound, Cleanup, Inheritance, Reconnect, Transport, UnixSocket};

impl UnixSocket {
    /// Returns a transport whose socket is bound by the worker and dialed by the host, in a fresh
    /// private directory (0700) that the host makes. It is for workers in languages that cannot
    /// listen at a socket that they have inherited, such as Node.js.
    ///
    /// The worker finds the path in its environment. The host watches the directory until the
    /// socket appears or the worker ends. It then checks that the process behind the socket runs as
    /// the same user or as root.
    ///
    /// Prefer [`UnixSocket`] if the worker supports it. Its worker is connected from the start, has
    /// no path to bind, and leaves nothing behind even if host and worker are killed.
    pub fn bound_by_worker() -> WorkerSocket {
        WorkerSocket { path: None }
    }
}

/// A Unix domain socket that the worker binds: [`UnixSocket::bound_by_worker`].
///
/// # Files
/// The host removes the socket and its directory when the worker has ended, and a worker in Rust
/// does the same. If the host is killed, a worker in another language removes at most the socket,
/// and the directory remains.
#[derive(Clone, Debug)]
pub struct WorkerSocket {
    path: Option<PathBuf>,
}

impl WorkerSocket {
    /// Places the socket at `path` instead of in a private directory. The rules of
    /// [`UnixSocket::at`] apply to the path and its directory.
    pub fn at(self, path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()) }
    }

    /// Returns the path within `address`, the address of an [`Inheritance`]. A worker in another
    /// language is given this path.
    pub fn path_of(address: &str) -> &str {
        SocketPath::path_in(address)
    }
}

impl Transport for WorkerSocket {
    const NAME: &'static str = "worker-socket";
    type Reader = SocketReader;
    type Writer = SocketWriter;
    type Bound = WorkerSocketBound;

    fn bind(&self) -> io::Result<WorkerSocketBound> {
        let (path, cleanup) = match &self.path {
            Some(path) => socket_file::reserve_at(path)?,
            None => socket_file::reserve_in_private_dir()?,
        };
        let watcher = DirWatcher::new(path.dir());
        Ok(WorkerSocketBound { path, cleanup, watcher })
    }

    /// Returns `true` if no process listens at the address yet. In a process that the worker
    /// starts, the worker's own socket already listens there.
    fn is_inherited(&self, address: &str) -> bool {
        socket_file::connect(SocketPath::parse(address).path()).is_err()
    }

    async fn attach(&self, address: &str) -> io::Result<SocketChannel> {
        let path = SocketPath::parse(address);
        let (listener, _, socket_cleanup) = socket_file::listen_at(path.path())?;
        // This cleanup also removes a private directory.
        let cleanup = socket_file::cleanup(&path)?;
        socket_cleanup.disarm();
        accept(listener.into(), Some(cleanup)).await
    }
}

impl Reconnect for WorkerSocket {
    async fn dial(&self, address: &str) -> io::Result<SocketChannel> {
        UnixSocket.dial(address).await
    }
}

/// The host's end: a path at which there is no socket yet.
pub struct WorkerSocketBound {
    path: SocketPath,
    cleanup: Cleanup,
    watcher: DirWatcher,
}

impl Bound for WorkerSocketBound {
    type Reader = SocketReader;
    type Writer = SocketWriter;

    fn inheritance(&mut self) -> Inheritance {
        Inheritance::new(self.path.to_string())
    }

    async fn establish(mut self) -> io::Result<SocketChannel> {
        let stream = self.connect().await?;
        check_peer_user(&stream)?;
        let cleanup = match socket_file::cleanup(&self.path) {
            Ok(of_this_socket) => {
                self.cleanup.disarm();
                of_this_socket
            }
            // The worker accepts no further connections, and has removed its socket.
            Err(_) => self.cleanup,
        };
        Ok(host_channel(stream)?.cleanup(cleanup))
    }
}

/// First pause before another attempt to connect to a socket that is bound but does not listen yet.
/// No event reports the start of listening. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
/// Longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_millis(50);

impl WorkerSocketBound {
    async fn connect(&mut self) -> io::Result<StdStream> {
        let mut pause = FIRST_PAUSE;
        loop {
            match socket_file::connect(self.path.path()) {
                Ok(stream) => return Ok(stream.into()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.watcher.changed().await,
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    sleep(pause).await;
                    pause = MAX_PAUSE.min(2 * pause);
                }
                Err(error) => {
                    let attempt = format!("could not connect to {}", self.path.path().display());
                    return Err(with_context(&attempt, error));
                }
            }
        }
    }
}

impl std::fmt::Debug for WorkerSocketBound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerSocketBound").field("path", &self.path).finish_non_exhaustive()
    }
}
