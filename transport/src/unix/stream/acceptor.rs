//! Accepts connections on the worker, one at a time.

use std::io;
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::net::UnixListener;
use tokio::runtime::Handle;

use super::socket_channel::{SocketChannel, check_peer_user, watched, worker_channel, worker_channel_with};
use crate::unix::sys::shortage::ShortagePause;
use crate::{Cleanup, Incoming};

/// Accepts the first connection of a non-blocking listener, and returns the worker's channel with
/// the connections after it.
pub(in crate::unix) async fn accept(
    listener: StdListener,
    cleanup: Option<Cleanup>,
) -> io::Result<SocketChannel> {
    let mut acceptor = Acceptor::new(Arc::new(listener));
    let stream = std::future::poll_fn(|context| acceptor.poll_accept(context)).await?;
    check_peer_user(&stream)?;
    let channel =
        worker_channel(stream)?.contested(Incoming::new(move |context| acceptor.poll_trusted(context)));
    Ok(match cleanup {
        Some(cleanup) => channel.cleanup(cleanup),
        None => channel,
    })
}

/// A non-blocking listener that is registered with the runtime only when it has to be waited for.
pub(in crate::unix) struct Acceptor {
    listener: Arc<StdListener>,
    /// The same listener, registered when an accept first had to wait. Usually the first connection
    /// is already pending, and no second one follows.
    registered: Option<UnixListener>,
    /// Accepted connection for which a second descriptor is not available yet.
    accepted: Option<StdStream>,
    /// Pause during a shortage of descriptors, while the listener stays ready all the time. The
    /// connection waits in the listener's backlog.
    shortage: ShortagePause,
}

impl Acceptor {
    pub(in crate::unix) fn new(listener: Arc<StdListener>) -> Self {
        Self { listener, registered: None, accepted: None, shortage: ShortagePause::default() }
    }

    /// Polls for the next connection from a trusted user. Closes all others at once.
    pub(in crate::unix) fn poll_trusted(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<SocketChannel>> {
        loop {
            ready!(self.shortage.poll_over(context));
            let stream = match self.accepted.take() {
                Some(stream) => stream,
                None => ready!(self.poll_accept(context))?,
            };
            match watched(&stream) {
                Ok(watched) => {
                    let channel =
                        check_peer_user(&stream).and_then(|()| worker_channel_with(stream, watched));
                    if let Ok(channel) = channel {
                        return Poll::Ready(Ok(channel));
                    }
                }
                Err(error) => {
                    self.shortage.start(error, &Handle::current())?;
                    self.accepted = Some(stream);
                }
            }
        }
    }

    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<StdStream>> {
        loop {
            ready!(self.shortage.poll_over(context));
            let accepted = match &self.registered {
                Some(registered) => {
                    ready!(registered.poll_accept(context)).and_then(|(stream, _)| stream.into_std())
                }
                None => self.listener.accept().map(|(stream, _)| stream),
            };
            match accepted.and_then(|stream| stream.set_nonblocking(true).map(|()| stream)) {
                Ok(stream) => return Poll::Ready(Ok(stream)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.registered.is_none() => {
                    match self.listener.try_clone().and_then(UnixListener::from_std) {
                        Ok(registered) => self.registered = Some(registered),
                        Err(error) => self.shortage.start(error, &Handle::current())?,
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => self.shortage.start(error, &Handle::current())?,
            }
        }
    }
}
