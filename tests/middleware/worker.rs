//! Worker with a stack of layers: `middleware-worker STACK`.
//!
//! The stack is a name, `marks` with a number of layers, or `faults` with the name of a fault.

mod support {
    pub(crate) mod counters;
    pub(crate) mod mark;
    pub(crate) mod recorder;
    pub(crate) mod service;
}

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use isolated_workers::layer::{
    Auth, ConcurrencyLimit, Deadline, LoadShed, Metrics, Middleware, RateLimit, Retry, Timeout, Trace,
    Validate, for_message, tower_layer,
};
use isolated_workers::protocol::{Request, Response};
use isolated_workers::service::Context;
use isolated_workers::testing::{Fault, Faults};
use isolated_workers::{Error, ErrorKind, Service, serve};
use support::counters::Counters;
use support::mark::Mark;
use support::recorder::Recorder;
use support::service::{Described, Desk, desk};

#[derive(Default)]
struct MyDesk {
    described: AtomicU32,
    noted: AtomicU32,
    cancelled: Arc<AtomicU32>,
    recorder: Recorder,
    counters: Arc<Counters>,
}

impl Desk for MyDesk {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }

    async fn describe(&self, context: Context, key: String) -> Described {
        self.described.fetch_add(1, Ordering::SeqCst);
        let remaining = context.deadline().map(|at| at.saturating_duration_since(Instant::now()));
        Described {
            name: context.name().to_owned(),
            value: context.metadata().get(&key).map(str::to_owned),
            keys: context.metadata().iter().map(|(key, _)| key.to_owned()).collect(),
            attempt: context.attempt(),
            remaining_ms: remaining.map(|time| time.as_millis() as u64),
            peer: context.peer(),
            has_id: context.id().is_some(),
        }
    }

    async fn hang(&self, context: Context) {
        let (token, cancelled) = (context.cancelled().clone(), Arc::clone(&self.cancelled));
        tokio::spawn(async move {
            token.cancelled().await;
            cancelled.fetch_add(1, Ordering::SeqCst);
        });
        std::future::pending().await
    }

    async fn cancelled(&self) -> u32 {
        // Tasks woken by a cancellation token run first.
        tokio::task::yield_now().await;
        self.cancelled.load(Ordering::SeqCst)
    }

    fn read(&self, path: String) -> String {
        std::fs::read_to_string(path).unwrap()
    }

    async fn note(&self) {
        self.noted.fetch_add(1, Ordering::SeqCst);
    }

    async fn noted(&self) -> u32 {
        self.noted.load(Ordering::SeqCst)
    }

    async fn fail(&self) -> Result<(), String> {
        Err("requested by the test".into())
    }

    async fn panic(&self) {
        panic!("requested by the test")
    }

    async fn described(&self) -> u32 {
        self.described.load(Ordering::SeqCst)
    }

    async fn recorded(&self) -> Vec<String> {
        [self.recorder.lines(), self.counters.lines()].concat()
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let desk = MyDesk::default();
    let (recorder, counters) = (desk.recorder.clone(), Arc::clone(&desk.counters));
    let serve = serve(desk.into_service());
    match arguments[..] {
        ["plain"] => serve.await,
        ["marks", count] => {
            let count: usize = count.parse().expect("a number");
            let mark = |number| (number <= count).then_some(Mark(number));
            serve.layer(mark(1)).layer(mark(2)).layer(mark(3)).layer(mark(4)).await
        }
        ["auth"] => serve.layer(Auth::new("the right one")).await,
        ["timeout"] => serve.layer(Timeout::new(Duration::from_millis(50))).await,
        ["deadline"] => serve.layer(Deadline::new()).await,
        ["queue"] => serve.layer(ConcurrencyLimit::new(1)).layer(Deadline::new()).await,
        ["shed"] => serve.layer(LoadShed::new(1)).await,
        ["rate"] => serve.layer(RateLimit::new(1, Duration::from_secs(3600)).refusing()).await,
        ["retry"] => serve.layer(Retry::new(2).when(|_| true)).layer(RefuseFirst::default()).await,
        ["valid"] => serve.layer(Validate::new(positive)).await,
        ["doubled"] => {
            let doubled = for_message::<desk::Add>().on_reply(|sum: &mut i64| {
                *sum *= 2;
                Ok(())
            });
            serve.layer(doubled).await
        }
        ["trace"] => {
            recorder.install();
            serve.layer(Trace).await
        }
        ["metrics"] => {
            counters.install();
            serve.layer(Metrics).layer(Validate::new(positive)).await
        }
        ["faults", fault] => {
            let fault = match fault {
                "crash" => Fault::Crash,
                "garble" => Fault::Garble,
                "lose-reply" => Fault::LoseReply,
                other => panic!("unknown fault {other}"),
            };
            let is_first_describe =
                |request: &Request| request.name() == "describe" && request.attempt() == 1;
            serve.layer(Faults::new(move |request| is_first_describe(request).then_some(fault))).await
        }
        ["tower"] => serve.layer(tower_layer(tower::limit::ConcurrencyLimitLayer::new(2))).await,
        ["eight"] => {
            let serve = serve.layer(Trace).layer(LoadShed::new(10)).layer(Deadline::new());
            let serve = serve.layer(Auth::new("the right one")).layer(Validate::new(positive));
            let serve = serve.layer(ConcurrencyLimit::new(5)).layer(Timeout::new(Duration::from_secs(5)));
            serve.layer(Metrics).await
        }
        _ => panic!("unknown stack {arguments:?}"),
    }
}

fn positive(add: &desk::Add) -> Result<(), &'static str> {
    if add.a >= 0 { Ok(()) } else { Err("it is negative") }
}

/// Middleware that refuses the first call.
#[derive(Default)]
struct RefuseFirst(AtomicU32);

impl Middleware for RefuseFirst {
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        if self.0.fetch_add(1, Ordering::SeqCst) == 0 {
            return Err(Error::new(ErrorKind::Overloaded, "the first call"));
        }
        next.call(request).await
    }
}
