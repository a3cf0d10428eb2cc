use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, ErrorKind, Executed, Request, Response};
use isolated_workers_middleware::Service;

use super::shared::{Admission, Peer, Permit, Shared};
use super::view::Options;
use crate::link::Call;

/// The workers of a pool, without any middleware around them: each call goes to the one that is to have it.
pub struct Dispatch<C: Codec>(pub(super) Arc<Shared<C>>);

impl<C: Codec> Service for Dispatch<C> {
    type Codec = C;

    fn codec(&self) -> &C {
        &self.0.codec
    }

    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Error>> + Send {
        Dispatching { dispatch: self, request, progress: Progress::New }
    }
}

/// A call on its way. No async function, which would be twice as large, and be moved as often.
struct Dispatching<'a, C: Codec> {
    dispatch: &'a Dispatch<C>,
    /// Kept for the case that its worker is gone before it has the call.
    request: Request,
    progress: Progress<'a, C>,
}

enum Progress<'a, C: Codec> {
    New,
    // In this order, so that a call that is dropped is given up before its place is.
    Called(Call<Arc<Peer<C>>>, Permit<'a, C>),
    /// Where it has to wait for its worker.
    Waiting(Pin<Box<dyn Future<Output = Result<Response, Error>> + Send + 'a>>),
    Done,
}

impl<C: Codec> Future for Dispatching<'_, C> {
    type Output = Result<Response, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { dispatch, request, progress } = self.get_mut();
        let result = loop {
            match progress {
                Progress::New => {
                    let options = request.extensions().get::<Options>().copied().unwrap_or_default();
                    *progress = match dispatch.0.admit(request.name(), options)? {
                        Admission::Run(permit, peer) if !options.is_suspect => {
                            Progress::Called(Call::new(peer, request.clone()), permit)
                        }
                        admission => {
                            Progress::Waiting(Box::pin(dispatch.run(request.clone(), options, admission)))
                        }
                    };
                }
                Progress::Called(call, permit) => {
                    let result = ready!(Pin::new(call).poll(cx));
                    if let Err(error) = &result
                        && dispatch.has_missed(permit, error)
                    {
                        *progress = Progress::New;
                        continue;
                    }
                    break result;
                }
                Progress::Waiting(waiting) => break ready!(waiting.as_mut().poll(cx)),
                Progress::Done => panic!("a call was polled after it had ended"),
            }
        };
        *progress = Progress::Done;
        Poll::Ready(result)
    }
}

impl<C: Codec> Dispatch<C> {
    /// Runs a call that may have to wait.
    async fn run(
        &self,
        request: Request,
        options: Options,
        mut admission: Admission<'_, C>,
    ) -> Result<Response, Error> {
        let shared = &*self.0;
        loop {
            let (mut permit, peer) = match admission {
                Admission::Run(permit, peer) => (permit, peer),
                Admission::Wait(turn) => shared.wait(request.name(), turn).await?,
            };
            // So that the next crash of this worker has one cause.
            let alone = if options.is_suspect && !shared.is_exclusive {
                Some(peer.link.probation().await)
            } else {
                None
            };
            let result = peer.link.call(request.clone()).await;
            match &result {
                Err(error) if self.has_missed(&mut permit, error) => {}
                _ => return result,
            }
            drop((permit, alone));
            admission = shared.admit(request.name(), options)?;
        }
    }

    /// Looks at how a call has failed. Returns whether its worker had ended before the call reached it, so that another
    /// one is to have it.
    #[cold]
    fn has_missed(&self, permit: &mut Permit<'_, C>, error: &Error) -> bool {
        let was_run = error.executed() != Executed::No;
        let is_lost = match error.kind() {
            // The worker's own answer.
            _ if error.remote_error().is_some() => false,
            ErrorKind::Crashed => true,
            ErrorKind::Closed => !was_run,
            ErrorKind::Timeout => was_run && self.0.kills_on_timeout,
            _ => false,
        };
        if is_lost {
            permit.is_lost();
        }
        is_lost && !was_run
    }
}

impl<C: Codec> fmt::Debug for Dispatch<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatch").field("subject", &self.0.subject).finish_non_exhaustive()
    }
}
