use std::fmt;
use std::future::pending;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::BytesMut;
use isolated_workers_codec::Codec;
use isolated_workers_core::testing::Rng;
use isolated_workers_core::{Body, Crash, Error, ErrorKind, ExitReason, Request, Response};
use isolated_workers_middleware::{Middleware, Service};

use crate::is_worker;

/// Middleware that injects faults into calls, to test how your program reacts.
///
/// It works on the host, around a local handler, and on the worker. On the worker, a
/// [`Crash`](Fault::Crash) ends the process, and the host's timeouts apply to [lost
/// replies](Fault::LoseReply).
///
/// ```
/// use isolated_workers_runtime::testing::{Fault, Faults};
///
/// // The first call is answered, the second gets no reply, and the third crashes its worker.
/// let script = Faults::in_order([None, Some(Fault::LoseReply), Some(Fault::Crash)]);
/// // The first attempt of every `store` call crashes its worker. A retry works.
/// let fragile = Faults::new(|request| {
///     (request.name() == "store" && request.attempt() == 1).then_some(Fault::Crash)
/// });
/// // Ten percent of the calls, the same ones for the same seed.
/// let storm = Faults::random(42, 10, [Fault::Crash, Fault::Garble, Fault::LoseRequest]);
/// # let _ = (script, fragile, storm);
/// ```
pub struct Faults(Box<Choose>);

type Choose = dyn Fn(&Request) -> Option<Fault> + Send + Sync;

/// Fault of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Delays the call before the handler runs.
    Delay(Duration),
    /// Drops the request: the handler does not run, and the call ends when its caller gives up.
    LoseRequest,
    /// Drops the reply: the handler runs, and the call ends when its caller gives up.
    LoseReply,
    /// Crashes the worker before the handler runs. A worker that is a process aborts. Elsewhere,
    /// the call fails with the same error, and nothing crashes.
    Crash,
    /// Replaces the reply, or each item of a stream, with a value of another type. The caller
    /// usually gets a `Decode` error.
    Garble,
}

impl Faults {
    /// Calls `choose` before each attempt of a call. `None` injects no fault.
    pub fn new(choose: impl Fn(&Request) -> Option<Fault> + Send + Sync + 'static) -> Self {
        Self(Box::new(choose))
    }

    /// Uses the next element of `faults` for each call, in the order of calls. Calls after the last
    /// element have no fault.
    pub fn in_order<I>(faults: I) -> Self
    where
        I: IntoIterator<Item = Option<Fault>>,
        I::IntoIter: Send + 'static,
    {
        let rest = Mutex::new(faults.into_iter());
        Self::new(move |_| rest.lock().unwrap_or_else(PoisonError::into_inner).next().flatten())
    }

    /// Uses a random element of `faults` for `percent` percent of the calls. If calls are made one
    /// after another, the same seed always selects the same calls.
    pub fn random(seed: u64, percent: u8, faults: impl Into<Vec<Fault>>) -> Self {
        let (rng, faults) = (Mutex::new(Rng::new(seed)), faults.into());
        Self::new(move |_| {
            let mut rng = rng.lock().unwrap_or_else(PoisonError::into_inner);
            if rng.chance(percent.into()) { rng.pick(&faults) } else { None }
        })
    }
}

impl Middleware for Faults {
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        match (self.0)(&request) {
            None => next.call(request).await,
            Some(Fault::Delay(time)) => {
                tokio::time::sleep(time).await;
                next.call(request).await
            }
            Some(Fault::LoseRequest) => pending().await,
            Some(Fault::LoseReply) => {
                let _ = next.call(request).await;
                pending().await
            }
            Some(Fault::Crash) if is_worker() => std::process::abort(),
            Some(Fault::Crash) => {
                let mut crash = Crash::new(ExitReason::Disconnected);
                crash.message = Some(request.name().to_owned());
                Err(Error::crashed(crash))
            }
            Some(Fault::Garble) => {
                let mut response = next.call(request).await?;
                let garbage = garbage(next.codec())?;
                if response.has_items() {
                    response.map_items(move |item| item.map(|_| garbage.clone()));
                } else {
                    response.set_body(garbage);
                }
                Ok(response)
            }
        }
    }
}

/// Encodes a value. Invalid bytes would end the whole connection with a line-based codec.
fn garbage(codec: &impl Codec) -> Result<Body, Error> {
    let mut bytes = BytesMut::new();
    let encoded = codec.encode(&(u64::MAX, "garbled", [(); 3]), &mut bytes);
    encoded.map_err(|error| Error::with_source(ErrorKind::Encode, "could not garble a reply", error))?;
    Ok(bytes.freeze().into())
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(faults: &Faults, calls: usize) -> Vec<Option<Fault>> {
        let request = Request::new(isolated_workers_core::Name::from_static("add"), Body::empty());
        (0..calls).map(|_| (faults.0)(&request)).collect()
    }

    #[test]
    fn a_seed_selects_the_same_faults_every_time() {
        let storm = |seed| faults_of(&Faults::random(seed, 10, [Fault::Crash, Fault::Garble]), 1000);
        assert_eq!(storm(1), storm(1));
        assert_ne!(storm(1), storm(2));
        let wrong = storm(1).iter().flatten().count();
        assert!((50..200).contains(&wrong), "{wrong} of 1,000 calls have a fault, which is far from 10 %");
    }

    #[test]
    fn percentages_0_and_100_are_exact() {
        let storm = |percent| faults_of(&Faults::random(1, percent, [Fault::Crash]), 100);
        assert_eq!(storm(0), [None; 100]);
        assert_eq!(storm(100), [Some(Fault::Crash); 100]);
    }
}
