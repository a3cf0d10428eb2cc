use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::SocketAddrUnix;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Sleep, sleep};

use super::inherited::{close_stdin, identity, is_stdin, take_stdin};
use super::passed;
use super::socket::{SocketReader, SocketWriter};
use super::socket_file::{self, Place};
use super::stream::{self, SocketChannel, check_user};
use crate::error::{because, not_inherited};
use crate::{Bound, Cleanup, DeferredListener, Incoming, Inheritance, Reconnect, Transport};

/// A pair of Unix domain sockets, and a third one that listens once the worker is to be [reached again](Reconnect), by this
/// host or another one. Who needs neither has less with [`SocketPair`](crate::SocketPair).
///
/// The host is connected before the worker is started, so there is nothing to wait for and nothing to try again. The worker
/// gets its end as its standard input, because that is the one way to hand a descriptor to a child that no other child,
/// started by another thread at the same moment, can inherit too. It is moved aside when the worker attaches; from then on
/// its standard input is empty. The socket that is to listen comes through the connection, before anything else.
///
/// It has no name until the host [opens](crate::DeferredListener) the deferred_listener: then it listens in a folder of its own, which is made
/// 0700 in the system's folder for temporary files, so that nobody but the user (and root) can reach it, and which the worker
/// need not see. Whoever connects then, and the worker, check that the process behind the stream is the same user's.
///
/// # What is left on disk
/// Nothing: as long as a worker is not left there is nothing, and then socket and folder are removed by the host when the
/// worker is gone and by the worker when it ends ([`Channel::cleanup`](crate::Channel::cleanup)). Only when both are killed
/// does a folder with a dead socket stay. It is not searched for, because the only way to
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
    type Bound = UnixSocketBound;

    fn bind(&self) -> io::Result<UnixSocketBound> {
        UnixSocketBound::paired()
    }

    fn is_inherited(&self, address: &str) -> bool {
        match address.strip_prefix(PAIR) {
            Some(pair) => is_stdin(pair),
            None => is_inherited(&Place::parse(address)),
        }
    }

    async fn attach(&self, address: &str) -> io::Result<SocketChannel> {
        match address.strip_prefix(PAIR) {
            Some(pair) => attach_to_pair(pair),
            None => attach(&Place::parse(address)).await,
        }
    }
}

/// What the address of a socket begins with that has no name: [`identity`] follows.
const PAIR: &str = "pair:";

impl Reconnect for UnixSocket {
    async fn dial(&self, address: &str) -> io::Result<SocketChannel> {
        dial(&Place::parse(address)).await
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

/// The host's end: connected from the start.
#[derive(Debug)]
pub struct UnixSocketBound {
    /// The other end, or a listener that nobody has accepted it from yet. Taken by the worker. When the worker is gone, the
    /// stream ends, because nobody else has it.
    workers: Option<OwnedFd>,
    stream: StdStream,
    address: String,
    deferred_listener: Option<DeferredListener>,
    cleanup: Option<Cleanup>,
}

impl UnixSocketBound {
    fn paired() -> io::Result<Self> {
        let (stream, workers) = StdStream::pair()?;
        stream.set_nonblocking(true)?;
        let listener = socket_file::nameless()?;
        passed::send(&stream, &listener)?;
        let open = move || {
            let (place, cleanup) = socket_file::listen_in_folder(&listener)?;
            Ok((place.to_string(), cleanup))
        };
        Ok(Self {
            address: format!("{PAIR}{}", identity(&workers)?),
            workers: Some(workers.into()),
            stream,
            deferred_listener: Some(DeferredListener::new(open)),
            cleanup: None,
        })
    }

    fn listening((listener, place, cleanup): (OwnedFd, Place, Cleanup)) -> io::Result<Self> {
        let stream = socket_file::connect(place.path())
            .map_err(|error| because(&format!("could not connect to {}", place.path().display()), error))?;
        Ok(Self {
            workers: Some(listener),
            stream: stream.into(),
            address: place.to_string(),
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
        match self.workers.take() {
            Some(workers) => inheritance.stdin(workers),
            None => inheritance,
        }
    }

    async fn establish(self) -> io::Result<SocketChannel> {
        let mut channel = stream::channel(self.stream)?;
        (channel.deferred_listener, channel.cleanup) = (self.deferred_listener, self.cleanup);
        Ok(channel)
    }
}

async fn dial(place: &Place) -> io::Result<SocketChannel> {
    let path = place.path();
    let stream = UnixStream::connect(path).await.map_err(|error| unreachable(place, error))?;
    let stream = stream.into_std()?;
    check_user(&stream)?;
    Ok(stream::channel(stream)?.cleanup(socket_file::cleanup(place)?))
}

fn unreachable(place: &Place, error: io::Error) -> io::Error {
    let why = match error.kind() {
        io::ErrorKind::NotFound => "the worker has ended",
        io::ErrorKind::ConnectionRefused => {
            // Nobody listens, and nobody will: in a folder of its own the socket is found by those only who were told.
            if let (true, Ok(dead)) = (place.is_private(), socket_file::cleanup(place)) {
                dead.run();
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
    accept(listener, socket_file::cleanup(place).ok()).await
}

fn attach_to_pair(pair: &str) -> io::Result<SocketChannel> {
    let stream = StdStream::from(take_stdin(pair)?);
    stream.set_nonblocking(true)?;
    let listener = passed::receive(&stream)?.into();
    let place = Arc::new(OnceLock::new());
    let mut acceptor = Acceptor { listener, waiting: None, pause: None };
    let incoming = Incoming::new({
        let place = Arc::clone(&place);
        move |context| {
            // By the time that another connection is waited for, the host has had it listen.
            if place.get().is_none()
                && let Some(found) = socket_file::folder_of(&acceptor.listener)
            {
                let _ = place.set(found);
            }
            acceptor.poll_trusted(context)
        }
    });
    Ok(stream::watched(stream)?.incoming(incoming).cleanup(socket_file::residue_in_folder(place)))
}

/// The worker's channel: the first connection of a listener that does not block, and those that follow it.
pub(super) async fn accept(listener: StdListener, cleanup: Option<Cleanup>) -> io::Result<SocketChannel> {
    let mut acceptor = Acceptor { listener, waiting: None, pause: None };
    let stream = std::future::poll_fn(|context| acceptor.poll_accept(context)).await?;
    check_user(&stream)?;
    let channel =
        stream::watched(stream)?.incoming(Incoming::new(move |context| acceptor.poll_trusted(context)));
    Ok(match cleanup {
        Some(cleanup) => channel.cleanup(cleanup),
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
