use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::SocketAddrUnix;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Sleep, sleep};

use super::inherited::close_stdin;
use super::socket::{SocketReader, SocketWriter};
use super::socket_file::{self, Place};
use super::stream::{self, SocketChannel, check_user};
use crate::error::{because, not_inherited};
use crate::{Bound, Incoming, Inheritance, Reconnect, Residue, Transport};

/// A Unix domain socket that listens in a folder of its own; the worker inherits the listener.
///
/// The host is connected before the worker is started, so there is nothing to wait for and nothing to try again. The
/// worker goes on listening ([`Channel::incoming`](crate::Channel::incoming)), so it can be [reached
/// again](Reconnect), by this host or another one. Who needs neither has less with [`SocketPair`](crate::SocketPair).
///
/// Nobody but the user (and root) can reach the folder, which is made 0700 in the system's folder for temporary files.
/// Both ends check that the process behind the stream is the same user's.
///
/// The worker gets the listener as its standard input, because that is the one way to hand a descriptor to a child
/// that no other child, started by another thread at the same moment, can inherit too. It is moved aside when the
/// worker attaches; from then on its standard input is empty.
///
/// # What is left on disk
/// Nothing: socket and folder are removed by the host when the worker is gone and by the worker when it ends
/// ([`Channel::residue`](crate::Channel::residue)). Only when both are killed at the same moment, or the host is and
/// the worker never attaches, does a folder with a dead socket stay. It is not searched for, because the only way to
/// know that a socket is dead is to connect to it, and it may be that of a worker. A [`dial`](Reconnect::dial) to it
/// removes it, and so does the system when it clears its folder for temporary files.
#[derive(Clone, Copy, Debug, Default)]
pub struct UnixSocket;

impl UnixSocket {
    /// A socket at `path`, which other programs can know beforehand, for one worker at a time.
    ///
    /// The folder must be there, and must not be one that everybody can write to without being kept from replacing what
    /// is another's (the sticky bit, as `/tmp` has). The socket is 0600 before anybody can connect. A socket that is
    /// there already is replaced if it is the user's and nobody listens at it; anything else there is an error.
    ///
    /// The path has 107 bytes at most (103 on macOS) and is UTF-8. A relative one is taken from the host's working
    /// directory.
    pub fn at(path: impl Into<PathBuf>) -> UnixSocketAt {
        UnixSocketAt { path: path.into() }
    }
}

/// A Unix domain socket at a path of the user's choice: [`UnixSocket::at`]. The worker may serve on [`UnixSocket`].
#[derive(Clone, Debug)]
pub struct UnixSocketAt {
    path: PathBuf,
}

impl Transport for UnixSocket {
    const NAME: &'static str = "unix-socket";
    type Reader = SocketReader;
    type Writer = SocketWriter;
    type Bound = UnixBound;

    fn bind(&self) -> io::Result<UnixBound> {
        UnixBound::new(socket_file::listen_in_folder()?)
    }

    fn is_inherited(&self, address: &str) -> bool {
        is_inherited(&Place::parse(address))
    }

    async fn attach(&self, address: &str) -> io::Result<SocketChannel> {
        attach(&Place::parse(address)).await
    }
}

impl Reconnect for UnixSocket {
    async fn dial(&self, address: &str) -> io::Result<SocketChannel> {
        dial(&Place::parse(address)).await
    }
}

impl Transport for UnixSocketAt {
    const NAME: &'static str = UnixSocket::NAME;
    type Reader = SocketReader;
    type Writer = SocketWriter;
    type Bound = UnixBound;

    fn bind(&self) -> io::Result<UnixBound> {
        UnixBound::new(socket_file::listen_at(&self.path)?)
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

/// The host's end: connected, but to a listener that nobody has accepted from yet.
#[derive(Debug)]
pub struct UnixBound {
    /// Taken by the worker. When the worker is gone, the stream ends, because nobody else has it.
    listener: Option<OwnedFd>,
    stream: StdStream,
    address: String,
    residue: Residue,
}

impl UnixBound {
    fn new((listener, place, residue): (OwnedFd, Place, Residue)) -> io::Result<Self> {
        let stream = socket_file::connect(place.path())
            .map_err(|error| because(&format!("could not connect to {}", place.path().display()), error))?;
        Ok(Self { listener: Some(listener), stream: stream.into(), address: place.to_string(), residue })
    }
}

impl Bound for UnixBound {
    type Reader = SocketReader;
    type Writer = SocketWriter;

    fn inheritance(&mut self) -> Inheritance {
        let inheritance = Inheritance::new(self.address.clone());
        match self.listener.take() {
            Some(listener) => inheritance.stdin(listener),
            None => inheritance,
        }
    }

    async fn establish(self) -> io::Result<SocketChannel> {
        Ok(stream::channel(self.stream)?.residue(self.residue))
    }
}

async fn dial(place: &Place) -> io::Result<SocketChannel> {
    let path = place.path();
    let stream = UnixStream::connect(path).await.map_err(|error| unreachable(place, error))?;
    let stream = stream.into_std()?;
    check_user(&stream)?;
    Ok(stream::channel(stream)?.residue(socket_file::residue(place)?))
}

fn unreachable(place: &Place, error: io::Error) -> io::Error {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "the worker has ended",
        io::ErrorKind::ConnectionRefused => {
            // Nobody listens, and nobody will: in a folder of its own the socket is found by those only who were told.
            if let (true, Ok(dead)) = (place.is_private(), socket_file::residue(place)) {
                dead.remove();
            }
            "the worker has ended, or takes no connections any more"
        }
        io::ErrorKind::WouldBlock => "too many connections wait for the worker to take them",
        _ => "the system refused",
    };
    because(&format!("could not connect to the worker at {}: {why}", place.path().display()), error)
}

async fn attach(place: &Place) -> io::Result<SocketChannel> {
    let listener = inherited_listener(place)?;
    listener.set_nonblocking(true)?;
    close_stdin()?;
    // It is gone where the host has ended, and then so is the stream.
    accept(listener, socket_file::residue(place).ok()).await
}

/// The worker's channel: the first connection of a listener that does not block, and those that follow it.
pub(super) async fn accept(listener: StdListener, residue: Option<Residue>) -> io::Result<SocketChannel> {
    let mut acceptor = Acceptor { listener, waiting: None, pause: None };
    let stream = std::future::poll_fn(|context| acceptor.poll_accept(context)).await?;
    check_user(&stream)?;
    let channel =
        stream::watched(stream)?.incoming(Incoming::new(move |context| acceptor.poll_trusted(context)));
    Ok(match residue {
        Some(residue) => channel.residue(residue),
        None => channel,
    })
}

/// How long to wait for a descriptor to become free. The connection waits in the listener's queue.
const BACK_OFF: Duration = Duration::from_millis(50);

struct Acceptor {
    listener: StdListener,
    /// The same, registered, since nobody was there to be accepted: as a rule the first one is there already, and there is
    /// no second one.
    waiting: Option<UnixListener>,
    /// `Some`: there were no descriptors, and the listener is ready all the time.
    pause: Option<Pin<Box<Sleep>>>,
}

impl Acceptor {
    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<StdStream>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            let accepted = match &self.waiting {
                Some(waiting) => {
                    ready!(waiting.poll_accept(context)).and_then(|(stream, _)| stream.into_std())
                }
                None => self.listener.accept().map(|(stream, _)| stream),
            };
            match accepted.and_then(|stream| stream.set_nonblocking(true).map(|()| stream)) {
                Ok(stream) => return Poll::Ready(Ok(stream)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.waiting.is_none() => {
                    self.waiting = Some(UnixListener::from_std(self.listener.try_clone()?)?);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if is_shortage(&error) => self.pause = Some(Box::pin(sleep(BACK_OFF))),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// The next connection of a process to be trusted. Others are closed at once.
    fn poll_trusted(&mut self, context: &mut Context<'_>) -> Poll<io::Result<SocketChannel>> {
        loop {
            let stream = ready!(self.poll_accept(context))?;
            if let Ok(channel) = check_user(&stream).and_then(|()| stream::watched(stream)) {
                return Poll::Ready(Ok(channel));
            }
        }
    }
}

fn is_shortage(error: &io::Error) -> bool {
    let shortages = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    error.raw_os_error().is_some_and(|code| shortages.iter().any(|shortage| shortage.raw_os_error() == code))
}

/// A copy of the standard input, if that is the listener at `place`.
fn inherited_listener(place: &Place) -> io::Result<StdListener> {
    if !is_inherited(place) {
        return Err(not_inherited());
    }
    Ok(rustix::stdio::stdin().try_clone_to_owned()?.into())
}

/// Whether the standard input is the listener at `place`.
fn is_inherited(place: &Place) -> bool {
    let bound = rustix::net::getsockname(rustix::stdio::stdin()).and_then(SocketAddrUnix::try_from);
    bound.is_ok_and(|bound| bound.path_bytes() == Some(place.path().as_os_str().as_bytes()))
}
