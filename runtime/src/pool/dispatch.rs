use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, Request, Response};
use isolated_workers_middleware::Service;

use super::seat::Seat;
use super::shared::{Admission, Shared};
use super::view::Options;
use crate::connection::Call;

/// The workers of a pool, without any middleware around them: each call goes to the one that is to have it.
pub struct Dispatch<C: Codec>(pub(super) Arc<Shared<C>>);

impl<C: Codec> Service for Dispatch<C> {
    type Codec = C;
    const CATCHES_PANICS: bool = true;

    fn codec(&self) -> &C {
        &self.0.codec
    }

    #[inline]
    fn call(&self, request: Request) -> impl Future<Output = Result<Response, Error>> + Send {
        let shared = &*self.0;
        match request.extensions().get::<Options>() {
            None => {
                let progress = Progress::Called(Call::new(Seat::any(shared), request));
                Dispatching { shared, options: None, progress }
            }
            Some(options) => {
                let options = Some(Box::new(*options));
                Dispatching { shared, options, progress: Progress::Asking(Some(request)) }
            }
        }
    }
}

/// A call on its way. No async function, which would be twice as large, and be moved as often.
struct Dispatching<'a, C: Codec> {
    shared: &'a Shared<C>,
    /// Where something was said about the call, as a rule nothing.
    options: Option<Box<Options>>,
    progress: Progress<'a, C>,
}

enum Progress<'a, C: Codec> {
    /// The scheduler is to be asked for a seat.
    Asking(Option<Request>),
    Called(Call<Seat<'a, C>>),
    /// Where it has to wait for its seat.
    Waiting(Pin<Box<dyn Future<Output = Result<Response, Error>> + Send + 'a>>),
}

impl<C: Codec> Future for Dispatching<'_, C> {
    type Output = Result<Response, Error>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            match &mut this.progress {
                Progress::Called(call) => {
                    let result = ready!(Pin::new(&mut *call).poll(cx));
                    match call.take_missed() {
                        None => return Poll::Ready(result),
                        missed => this.progress = Progress::Asking(missed),
                    }
                }
                Progress::Asking(request) => {
                    let request = request.take().expect("a call was polled after it had ended");
                    this.ask(request)?;
                }
                Progress::Waiting(waiting) => return waiting.as_mut().poll(cx),
            }
        }
    }
}

impl<C: Codec> Dispatching<'_, C> {
    #[cold]
    fn ask(&mut self, request: Request) -> Result<(), Error> {
        let options = self.options.as_deref().copied().unwrap_or_default();
        self.progress = match self.shared.admit(request.name(), options)? {
            Admission::Run(seat) if !options.is_suspect => Progress::Called(Call::seated(seat, request)),
            admission => Progress::Waiting(Box::pin(run(self.shared, request, options, admission))),
        };
        Ok(())
    }
}

/// Makes a call that may have to wait for its seat, as often as it turns out that its worker has ended before it was sent.
async fn run<C: Codec>(
    shared: &Shared<C>,
    mut request: Request,
    options: Options,
    mut admission: Admission<'_, C>,
) -> Result<Response, Error> {
    loop {
        let seat = match admission {
            Admission::Run(seat) => seat,
            Admission::Wait(turn) => shared.wait(request.name(), turn).await?,
        };
        let link = seat.chosen();
        let mut call = Call::seated(seat, request);
        // So that the next crash of this worker has one cause.
        let _alone =
            if options.is_suspect && !shared.is_exclusive { Some(link.probation().await) } else { None };
        let result = (&mut call).await;
        match call.take_missed() {
            Some(missed) => request = missed,
            None => return result,
        }
        admission = shared.admit(request.name(), options)?;
    }
}

impl<C: Codec> fmt::Debug for Dispatch<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dispatch").field("subject", &self.0.subject).finish_non_exhaustive()
    }
}
