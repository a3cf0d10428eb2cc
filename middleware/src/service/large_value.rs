//! Encoding of large values on a blocking thread, so that they do not hold a thread of the runtime.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use isolated_workers_codec::zero_copy_bytes::maybe_bytes::MaybeBytesRef;
use isolated_workers_codec::{BodyLimit, Codec, CodecError};
use isolated_workers_core::{Body, Error, ErrorKind, ServiceError, Value};
use serde::Serialize;
use tokio::runtime::Handle;

use super::blocking::{self, BlockingTask, ShutDown};
use super::encoding::{ErrorRef, Part, encode, encode_error, encoded_error, fill, unencodable};

/// Number of encoded bytes at which a value is large. Encoding that many takes a few milliseconds
/// with every built-in codec.
const LARGE_BYTES: usize = 1 << 20;

/// Outcome of encoding a value.
pub(super) enum Encoded<T: Send + 'static> {
    Done(Result<T, Error>),
    /// The value is large. A blocking thread encodes it.
    Later(Box<LargeValue<T>>),
}

impl<T: Send + 'static> From<Result<T, Error>> for Encoded<T> {
    #[inline]
    fn from(result: Result<T, Error>) -> Self {
        Self::Done(result)
    }
}

/// Large value that is encoded. Dropping the future drops the result.
pub(super) struct LargeValue<T: Send + 'static> {
    task: BlockingTask<Result<T, Error>>,
    part: Part,
    name: &'static str,
}

impl<T: Send + 'static> Encoded<T> {
    /// Runs `encode` on a blocking thread, or here if this is one, or if there is none.
    #[cold]
    pub(super) fn elsewhere(
        part: Part,
        name: &'static str,
        encode: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Self {
        if blocking::is_working() || Handle::try_current().is_err() {
            return Self::Done(encode());
        }
        match BlockingTask::spawn(encode) {
            Ok(task) => Self::Later(Box::new(LargeValue { task, part, name })),
            Err(refused) => Self::Done((refused.work)()),
        }
    }
}

impl<T: Send + 'static> Future for LargeValue<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let encoded = ready!(Pin::new(&mut self.task).poll(cx));
        Poll::Ready(encoded.unwrap_or_else(|ShutDown| Err(shut_down(self.part, self.name))))
    }
}

#[cold]
fn shut_down(part: Part, name: &str) -> Error {
    let text = format!("could not encode {}: the runtime is shutting down", part.describe(name));
    let error = Error::new(ErrorKind::Closed, text).with_executed(part.executed());
    if let Part::Message = part { error.of_call() } else { error }
}

/// Encodes a reply or an item of the message `name` within `limit`, on a blocking thread if it is
/// large.
pub(super) fn encode_value<T: Value, C: Codec>(
    codec: &C,
    limit: BodyLimit,
    value: T,
    part: Part,
    name: &'static str,
) -> Encoded<Body> {
    match encode_small(codec, limit, &MaybeBytesRef(&value), part, name) {
        Some(encoded) => Encoded::Done(encoded),
        None => {
            let (codec, value) = (codec.clone(), value.into_sendable());
            Encoded::elsewhere(part, name, move || {
                encode(&codec, limit, &MaybeBytesRef(&value()), part, name)
            })
        }
    }
}

/// Like [`encode_error`], on a blocking thread if the error is large.
pub(super) fn encode_owned_error<E, C, T>(codec: &C, failure: E, name: &'static str) -> Encoded<T>
where
    E: ServiceError,
    C: Codec,
    T: Send + 'static,
{
    match encode_small(codec, BodyLimit::NONE, &ErrorRef(&failure), Part::Failure, name) {
        Some(encoded) => Encoded::Done(Err(encoded_error(&failure, encoded, name))),
        None => {
            let (codec, failure) = (codec.clone(), failure.into_sendable());
            Encoded::elsewhere(Part::Failure, name, move || Err(encode_error(&codec, &failure(), name)))
        }
    }
}

/// Fills the empty `body` with the encoded value. If the value is large, the error is an
/// [interruption](CodecError::is_interruption), and the body has a part of it.
pub(super) fn encode_small_into<C: Codec, T: Serialize>(
    body: &mut Body,
    codec: &C,
    limit: BodyLimit,
    value: &T,
) -> Result<(), CodecError> {
    fill(body, limit, LARGE_BYTES, &mut |pieces| codec.encode_pieces(value, pieces))
}

/// Encodes a value of the message `name` within `limit`, unless it is large. `None`: it is.
fn encode_small<C: Codec, T: Serialize>(
    codec: &C,
    limit: BodyLimit,
    value: &T,
    part: Part,
    name: &str,
) -> Option<Result<Body, Error>> {
    let mut body = Body::empty();
    Some(match encode_small_into(&mut body, codec, limit, value) {
        Ok(()) => Ok(body),
        Err(error) if error.is_interruption() => return None,
        Err(error) => Err(unencodable::<C>(error, part, name)),
    })
}
