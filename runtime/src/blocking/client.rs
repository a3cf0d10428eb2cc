//! Functions for blocking clients written by hand. The clients that `#[service]` generates call
//! them.

use isolated_workers_core::{CallError, Message, ReplyStream, RequestStream};
use isolated_workers_middleware::client;
use isolated_workers_middleware::streaming::IterItems;

use super::{BlockingService, ReplyIter, background};

/// Sends a message and waits on this thread for its reply.
///
/// This is [`client::send`] without async code. The timeout of the call and the handling of crashes
/// are the same. A call cannot be cancelled, except by its timeout or by the end of its worker.
///
/// # Errors
/// Returns the conversion of [`CallError::Service`] if the handler returned an error, and of
/// [`CallError::Call`] for any other failure. It is
/// [`WouldDeadlock`](isolated_workers_core::ErrorKind::WouldDeadlock) in a handler of a callback
/// that is an `async fn`.
pub fn send<S, M, E>(service: &S, message: M) -> Result<M::Reply, E>
where
    S: BlockingService + ?Sized,
    M: Message,
    E: From<CallError<M::Error>>,
{
    wait::<M, E, _>(client::send(service, message))
}

/// Sends a message and its items, and waits on this thread for its reply.
///
/// The iterator is run on this thread, as the callee takes items. The call ends with its reply,
/// even if items are left.
///
/// # Errors
/// Same as [`send`], and those of [`client::send_items`].
pub fn send_items<S, M, E>(service: &S, message: M, items: impl IterItems<M::Item>) -> Result<M::Reply, E>
where
    S: BlockingService + ?Sized,
    M: RequestStream,
    E: From<CallError<M::Error>>,
{
    wait::<M, E, _>(client::send_items(service, message, items.into_items()))
}

/// Sends a message that is answered with items. The request is sent when the first item is taken.
pub fn stream<'a, S, M, E>(service: &'a S, message: M) -> ReplyIter<'a, M::Item, E>
where
    S: BlockingService + ?Sized,
    M: ReplyStream,
    E: From<CallError<M::Error>> + 'a,
{
    ReplyIter::new(M::NAME, client::stream(service, message), |error| CallError::Call(error).into())
}

/// Sends a message and its items, for a message that is answered with items. The iterator is run
/// while an item of the reply is waited for.
pub fn stream_items<'a, S, M, E>(
    service: &'a S,
    message: M,
    items: impl IterItems<<M as RequestStream>::Item>,
) -> ReplyIter<'a, <M as ReplyStream>::Item, E>
where
    S: BlockingService + ?Sized,
    M: RequestStream + ReplyStream,
    E: From<CallError<M::Error>> + 'a,
{
    let reply = client::stream_items(service, message, items.into_items());
    ReplyIter::new(M::NAME, reply, |error| CallError::Call(error).into())
}

fn wait<M, E, F>(call: F) -> Result<M::Reply, E>
where
    M: Message,
    E: From<CallError<M::Error>>,
    F: Future<Output = Result<M::Reply, E>>,
{
    background::wait(format_args!("call `{}`", M::NAME), call)
        .unwrap_or_else(|error| Err(CallError::Call(error).into()))
}
