use std::io;
use std::os::unix::net::UnixStream as StdStream;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::sleep;

use super::changes::Changes;
use super::socket::{SocketReader, SocketWriter};
use super::socket_file::{self, Place};
use super::stream::{self, SocketChannel, check_user};
use super::unix_socket::accept;
use crate::error::because;
use crate::{Bound, Cleanup, Inheritance, Reconnect, Transport, UnixSocket};

impl UnixSocket {
    /// A socket that the worker binds and the host connects to, in a fresh folder (0700) of the host's: for workers in
    /// languages that cannot listen at a socket they have inherited, such as Node.js.
    ///
    /// The worker finds the path in its environment. The host waits until the socket is there, by watching the folder;
    /// as long as that takes, or until the worker ends. It then checks that the process behind it is the same user's.
    ///
    /// [`UnixSocket`] alone is better where the worker can take it: its worker is connected from the start, has no path
    /// to bind, and leaves nothing behind, also where host and worker are killed.
    pub fn bound_by_worker() -> WorkerSocket {
        WorkerSocket { path: None }
    }
}

/// A Unix domain socket that the worker binds: [`UnixSocket::bound_by_worker`].
///
/// # What is left on disk
/// Nothing: the host removes the socket and its folder when the worker has ended, and a worker in Rust does so, too. Where
/// the host is killed, a worker in another language removes the socket at the most, and the folder stays.
#[derive(Clone, Debug)]
pub struct WorkerSocket {
    path: Option<PathBuf>,
}

impl WorkerSocket {
    /// At `path` instead of in a folder of its own. What holds for [`UnixSocket::at`] holds for the path and its folder.
    pub fn at(self, path: impl Into<PathBuf>) -> Self {
        Self { path: Some(path.into()) }
    }

    /// The path of the socket at `address`, which is that of an [`Inheritance`]: what a worker in another language is told.
    pub fn path_of(address: &str) -> &str {
        socket_file::path_of(address)
    }
}

impl Transport for WorkerSocket {
    const NAME: &'static str = "worker-socket";
    type Reader = SocketReader;
    type Writer = SocketWriter;
    type Bound = WorkerSocketBound;

    fn bind(&self) -> io::Result<WorkerSocketBound> {
        let (place, cleanup) = match &self.path {
            Some(path) => socket_file::expect_at(path)?,
            None => socket_file::expect_in_folder()?,
        };
        let changes = Changes::of(place.folder());
        Ok(WorkerSocketBound { place, cleanup, changes })
    }

    /// Whether nobody listens there yet: what a worker starts finds the worker's own socket.
    fn is_inherited(&self, address: &str) -> bool {
        socket_file::connect(Place::parse(address).path()).is_err()
    }

    async fn attach(&self, address: &str) -> io::Result<SocketChannel> {
        let place = Place::parse(address);
        let (listener, _, of_the_socket) = socket_file::listen_at(place.path())?;
        let cleanup = socket_file::cleanup(&place)?;
        of_the_socket.disarm();
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
    place: Place,
    cleanup: Cleanup,
    changes: Changes,
}

impl Bound for WorkerSocketBound {
    type Reader = SocketReader;
    type Writer = SocketWriter;

    fn inheritance(&mut self) -> Inheritance {
        Inheritance::new(self.place.to_string())
    }

    async fn establish(mut self) -> io::Result<SocketChannel> {
        let stream = self.connect().await?;
        check_user(&stream)?;
        let cleanup = match socket_file::cleanup(&self.place) {
            Ok(of_this_socket) => {
                self.cleanup.disarm();
                of_this_socket
            }
            // The worker takes no further connections, and has removed it.
            Err(_) => self.cleanup,
        };
        Ok(stream::channel(stream)?.cleanup(cleanup))
    }
}

/// How long to wait for a socket that is bound to listen, which no event tells of: this long, then twice as long, and so
/// on.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

impl WorkerSocketBound {
    async fn connect(&mut self) -> io::Result<StdStream> {
        let mut pause = FIRST_PAUSE;
        loop {
            match socket_file::connect(self.place.path()) {
                Ok(stream) => return Ok(stream.into()),
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.changes.next().await,
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    sleep(pause).await;
                    pause = LONGEST_PAUSE.min(2 * pause);
                }
                Err(error) => {
                    let attempt = format!("could not connect to {}", self.place.path().display());
                    return Err(because(&attempt, error));
                }
            }
        }
    }
}

impl std::fmt::Debug for WorkerSocketBound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkerSocketBound").field("place", &self.place).finish_non_exhaustive()
    }
}
