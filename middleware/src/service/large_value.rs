//! Encoding of large values on a blocking thread, so that they do not hold a thread of the runtime.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use isolated_workers_core::{Error, ErrorKind};
use tokio::runtime::Handle;

use super::blocking::{self, BlockingTask, ShutDown};
use super::encoding::Part;

/// Number of encoded bytes at which a value is large. Encoding that many takes a few milliseconds with
/// every built-in codec.
pub(super) const LARGE_BYTES: usize = 1 << 20;

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
