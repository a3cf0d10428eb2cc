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

/// A middleware that makes calls go wrong, to see what your program makes of it.
///
/// It stands wherever a middleware can: on the host, around a handler in this process, or on the worker, where a
/// [`Crash`](Fault::Crash) ends the process and the time limits of the host hold for what is [lost](Fault::LoseReply).
///
/// ```
/// use isolated_workers_runtime::testing::{Fault, Faults};
///
/// // The first call of all is answered, the second one is not, and the third one finds its worker dead.
/// let script = Faults::in_order([None, Some(Fault::LoseReply), Some(Fault::Crash)]);
/// // Every call of `store` costs its worker the first time, and works when it is made again.
/// let fragile = Faults::new(|request| {
///     (request.name() == "store" && request.attempt() == 1).then_some(Fault::Crash)
/// });
/// // One in ten, the same ones for the same seed.
/// let storm = Faults::random(42, 10, [Fault::Crash, Fault::Garble, Fault::LoseRequest]);
/// # let _ = (script, fragile, storm);
/// ```
pub struct Faults(Box<Choose>);

type Choose = dyn Fn(&Request) -> Option<Fault> + Send + Sync;

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It takes so much longer: the handler begins later.
    Delay(Duration),
    /// It never reaches the handler, and is never answered. It ends when its caller gives it up.
    LoseRequest,
    /// It is run, and is never answered. It ends when its caller gives it up.
    LoseReply,
    /// Its worker dies before it is run. In a worker that is a process this is so: it aborts. Elsewhere the call fails in
    /// the same way, and nothing dies.
    Crash,
    /// It is run, and its reply is another value, of a type that hardly any message has: a `Decode` error at the caller,
    /// as a rule.
    Garble,
}

impl Faults {
    /// Asks `choose` before each call, each attempt of one included; `None` lets it go.
    pub fn new(choose: impl Fn(&Request) -> Option<Fault> + Send + Sync + 'static) -> Self {
        Self(Box::new(choose))
    }

    /// Takes the next of `faults` for each call, in the order in which calls come. Those beyond go.
    pub fn in_order<I>(faults: I) -> Self
    where
        I: IntoIterator<Item = Option<Fault>>,
        I::IntoIter: Send + 'static,
    {
        let rest = Mutex::new(faults.into_iter());
        Self::new(move |_| rest.lock().unwrap_or_else(PoisonError::into_inner).next().flatten())
    }

    /// Takes one of `faults` for `percent` of the calls, at random. A seed says which: of calls that are made one after the
    /// other, it is always the same ones.
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
                response.set_body(garbage(next.codec())?);
                Ok(response)
            }
        }
    }
}

/// A value, because bytes that are none would end the whole connection on a codec of lines.
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
    fn a_seed_says_which_calls_go_wrong() {
        let storm = |seed| faults_of(&Faults::random(seed, 10, [Fault::Crash, Fault::Garble]), 1000);
        assert_eq!(storm(1), storm(1));
        assert_ne!(storm(1), storm(2));
        let wrong = storm(1).iter().flatten().count();
        assert!((50..200).contains(&wrong), "{wrong} of 1000 are not about a tenth");
    }

    #[test]
    fn all_or_none_is_certain() {
        let storm = |percent| faults_of(&Faults::random(1, percent, [Fault::Crash]), 100);
        assert_eq!(storm(0), [None; 100]);
        assert_eq!(storm(100), [Some(Fault::Crash); 100]);
    }
}
