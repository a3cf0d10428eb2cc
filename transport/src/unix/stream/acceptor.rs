//! Accepts connections on the worker, one at a time.

use std::io;
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::UnixListener;
use tokio::time::{Sleep, sleep};

use super::socket_channel::{SocketChannel, check_peer_user, worker_channel};
use crate::{Cleanup, Incoming};

/// Time to wait for a descriptor to become free. The connection waits in the listener's backlog.
const SHORTAGE_BACKOFF: Duration = Duration::from_millis(50);

/// Accepts the first connection of a non-blocking listener, and returns the worker's channel with
/// the connections after it.
pub(in crate::unix) async fn accept(
    listener: StdListener,
    cleanup: Option<Cleanup>,
) -> io::Result<SocketChannel> {
    let mut acceptor = Acceptor::new(listener);
    let stream = std::future::poll_fn(|context| acceptor.poll_accept(context)).await?;
    check_peer_user(&stream)?;
    let channel =
        worker_channel(stream)?.incoming(Incoming::new(move |context| acceptor.poll_trusted(context)));
    Ok(match cleanup {
        Some(cleanup) => channel.cleanup(cleanup),
        None => channel,
    })
}

/// A non-blocking listener that is registered with the runtime only when it has to be waited for.
pub(in crate::unix) struct Acceptor {
    listener: StdListener,
    /// The same listener, registered when an accept first had to wait. Usually the first connection
    /// is already pending, and no second one follows.
    registered: Option<UnixListener>,
    /// `Some` during a shortage of descriptors, while the listener stays ready all the time.
    backoff: Option<Pin<Box<Sleep>>>,
}

impl Acceptor {
    pub(in crate::unix) fn new(listener: StdListener) -> Self {
        Self { listener, registered: None, backoff: None }
    }

    pub(in crate::unix) fn listener(&self) -> &StdListener {
        &self.listener
    }

    /// Polls for the next connection from a trusted user. Closes all others at once.
    pub(in crate::unix) fn poll_trusted(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<SocketChannel>> {
        loop {
            let stream = ready!(self.poll_accept(context))?;
            if let Ok(channel) = check_peer_user(&stream).and_then(|()| worker_channel(stream)) {
                return Poll::Ready(Ok(channel));
            }
        }
    }

    fn poll_accept(&mut self, context: &mut Context<'_>) -> Poll<io::Result<StdStream>> {
        loop {
            if let Some(backoff) = &mut self.backoff {
                ready!(backoff.as_mut().poll(context));
                self.backoff = None;
            }
            let accepted = match &self.registered {
                Some(registered) => {
                    ready!(registered.poll_accept(context)).and_then(|(stream, _)| stream.into_std())
                }
                None => self.listener.accept().map(|(stream, _)| stream),
            };
            match accepted.and_then(|stream| stream.set_nonblocking(true).map(|()| stream)) {
                Ok(stream) => return Poll::Ready(Ok(stream)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.registered.is_none() => {
                    self.registered = Some(UnixListener::from_std(self.listener.try_clone()?)?);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if is_shortage(&error) => {
                    self.backoff = Some(Box::pin(sleep(SHORTAGE_BACKOFF)));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

fn is_shortage(error: &io::Error) -> bool {
    let shortages = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    error.raw_os_error().is_some_and(|code| shortages.iter().any(|shortage| shortage.raw_os_error() == code))
}
