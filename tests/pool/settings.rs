//! Every duration, count and size that can be set, at 0, 1 and its maximum.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use isolated_workers::ErrorKind;
use isolated_workers::host::{Heartbeat, OnCrash, Timeouts};
use isolated_workers::layer::{
    BoxMiddleware, ConcurrencyLimit, Deadline, LoadShed, Middleware, RateLimit, Retry, Timeout,
};
use isolated_workers::pool::WhenFull;
use isolated_workers::protocol::Limits;

use self::Make::{Layer, Setting};
use self::Outcome::{Calls, Ends, Fails, Refused};
use super::jobs::JobsClient;
use super::*;

/// Value of a setting.
#[derive(Clone, Copy, Debug)]
enum Value {
    Zero,
    One,
    Max,
}

impl Value {
    fn pick<T>(self, zero: T, one: T, max: T) -> T {
        match self {
            Self::Zero => zero,
            Self::One => one,
            Self::Max => max,
        }
    }
    fn time(self) -> Duration {
        self.pick(Duration::ZERO, Duration::from_nanos(1), Duration::MAX)
    }
    fn short(self) -> u32 {
        self.pick(0, 1, u32::MAX)
    }
    fn long(self) -> u64 {
        self.pick(0, 1, u64::MAX)
    }
    fn size(self) -> usize {
        self.pick(0, 1, usize::MAX)
    }
}

/// Expected outcome of a setting.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    /// Calls succeed, also after a crash.
    Calls,
    /// The first call, or the start of the pool, fails with this kind of error.
    Fails(ErrorKind),
    /// Calls succeed or fail, because they race with a timer.
    Ends,
    /// Refused when it is set, or when the pool is built, with an error that has this text.
    Refused(&'static str),
}

/// Way to make a pool with a setting.
enum Make {
    Setting(fn(PoolBuilder, Value) -> PoolBuilder),
    Layer(fn(Value) -> BoxMiddleware),
}

const TEN_YEARS: Outcome = Refused("the maximum is ten years");

/// Settings, with the outcomes of 0, 1 and the maximum. A duration of 1 is a nanosecond.
#[rustfmt::skip]
const SETTINGS: &[(&str, Make, [Outcome; 3])] = &[
    ("workers", Setting(|pool, value| pool.workers(value.size())),
        [Refused("between 1 and 10000"), Calls, Refused("between 1 and 10000")]),
    ("size", Setting(|pool, value| pool.size(value.size()..=1)),
        [Calls, Calls, Refused("not below the minimum")]),
    ("max_in_flight", Setting(|pool, value| pool.max_in_flight(value.short())),
        [Refused("at least 1"), Calls, Calls]),
    ("queue", Setting(|pool, value| pool.queue(value.size(), WhenFull::Wait)), [Calls; 3]),
    ("queue, refusing", Setting(|pool, value| pool.queue(value.size(), WhenFull::Reject)), [Ends, Calls, Calls]),
    ("queue_timeout", Setting(|pool, value| pool.size(0..=1).queue_timeout(value.time())),
        [Calls, Ends, TEN_YEARS]),
    ("restart_limit", Setting(|pool, value| pool.restart_limit(value.short(), Duration::from_secs(60))), [Calls; 3]),
    ("restart_limit, period", Setting(|pool, value| pool.restart_limit(5, value.time())), [Calls, Calls, TEN_YEARS]),
    ("spawn_rate", Setting(|pool, value| pool.spawn_rate(value.short(), Duration::from_millis(10))),
        [Refused("at least 1"), Calls, Calls]),
    ("spawn_rate, period", Setting(|pool, value| pool.spawn_rate(5, value.time())), [Calls, Calls, TEN_YEARS]),
    ("idle_timeout", Setting(|pool, value| pool.size(0..=1).idle_timeout(value.time())), [Calls, Calls, TEN_YEARS]),
    ("recycle_after", Setting(|pool, value| pool.recycle_after(value.long())), [Calls; 3]),
    ("max_calls", Setting(|pool, value| pool.max_calls(value.long())), [Calls; 3]),
    ("max_age", Setting(|pool, value| pool.max_age(value.time())), [Calls, Calls, TEN_YEARS]),
    ("max_memory", Setting(|pool, value| pool.max_memory(value.long())), [Calls; 3]),
    ("Timeouts::startup", Setting(|pool, value| pool.timeouts(Timeouts::default().startup(value.time()))),
        [Calls, Ends, TEN_YEARS]),
    ("Timeouts::message", Setting(|pool, value| pool.timeouts(Timeouts::default().message(value.time()))),
        [Calls, Ends, TEN_YEARS]),
    ("Timeouts::close", Setting(|pool, value| pool.timeouts(Timeouts::default().close(value.time()))),
        [Calls, Calls, TEN_YEARS]),
    ("Timeouts::disconnected", Setting(|pool, value| pool.timeouts(Timeouts::default().disconnected(value.time()))),
        [Calls, Calls, TEN_YEARS]),
    ("OnCrash::retry", Setting(|pool, value| pool.on_crash(OnCrash::retry(value.short()))), [Calls; 3]),
    ("OnCrash::backoff, first", Setting(|pool, value| {
        pool.on_crash(OnCrash::respawn().backoff(value.time(), Duration::from_millis(10)))
    }), [Calls, Calls, TEN_YEARS]),
    ("OnCrash::backoff, max", Setting(|pool, value| {
        pool.on_crash(OnCrash::respawn().backoff(Duration::from_millis(10), value.time()))
    }), [Calls, Calls, TEN_YEARS]),
    ("Heartbeat::every", Setting(|pool, value| pool.heartbeat(Heartbeat::every(value.time()))),
        [Refused("zero interval or timeout"), Calls, TEN_YEARS]),
    ("Heartbeat::timeout", Setting(|pool, value| {
        pool.heartbeat(Heartbeat::every(Duration::from_secs(1)).timeout(value.time()).report_only())
    }), [Refused("zero interval or timeout"), Calls, TEN_YEARS]),
    ("Limits::frame", Setting(|pool, value| pool.limits(Limits::default().frame(value.size()))),
        [Refused("between 1024 and"); 3]),
    ("Limits::metadata", Setting(|pool, value| pool.limits(Limits::default().metadata(value.size()))),
        [Calls, Calls, Refused("between 0 and")]),
    ("Limits::decoded", Setting(|pool, value| pool.limits(Limits::default().decoded(value.size()))),
        [Refused("between 1024 and"), Refused("between 1024 and"), Calls]),
    ("Limits::elements", Setting(|pool, value| pool.limits(Limits::default().elements(value.short()))),
        [Refused("between 1 and"), Ends, Calls]),
    ("Limits::depth", Setting(|pool, value| pool.limits(Limits::default().depth(value.short()))),
        [Refused("between 1 and 256"), Calls, Refused("between 1 and 256")]),
    ("ConcurrencyLimit", Layer(|value| boxed(ConcurrencyLimit::new(value.size()))),
        [Refused("must be at least 1"), Calls, Calls]),
    ("Deadline::within", Layer(|value| boxed(Deadline::within(value.time()))),
        [Fails(ErrorKind::Timeout), Ends, Calls]),
    ("LoadShed", Layer(|value| boxed(LoadShed::new(value.size()))), [Fails(ErrorKind::Overloaded), Calls, Calls]),
    ("RateLimit, count", Layer(|value| boxed(RateLimit::new(value.short(), Duration::from_millis(1)))),
        [Refused("must be at least 1"), Calls, Calls]),
    ("RateLimit, period", Layer(|value| boxed(RateLimit::new(9, value.time()))), [Calls; 3]),
    ("Retry", Layer(|value| boxed(Retry::new(value.short()))), [Calls; 3]),
    ("Retry::backoff, first", Layer(|value| {
        boxed(Retry::new(5).backoff(value.time(), Duration::from_millis(1)))
    }), [Calls; 3]),
    ("Retry::backoff, longest", Layer(|value| {
        boxed(Retry::new(5).backoff(Duration::from_millis(1), value.time()))
    }), [Calls; 3]),
    ("Retry::budget", Layer(|value| boxed(Retry::new(5).budget(value.short(), value.short()))), [Calls; 3]),
    ("Timeout", Layer(|value| boxed(Timeout::new(value.time()))), [Calls, Ends, Calls]),
];

fn boxed(middleware: impl Middleware) -> BoxMiddleware {
    BoxMiddleware::new(middleware)
}

#[tokio::test]
async fn every_setting_is_taken_with_its_meaning_or_refused_with_its_range() {
    for (name, make, outcomes) in SETTINGS {
        for (value, expected) in [Value::Zero, Value::One, Value::Max].into_iter().zip(outcomes) {
            let found = try_setting(make, value, *expected).await;
            let agrees = match (expected, &found) {
                (Calls, Ok(())) | (Ends, _) => true,
                (Fails(kind), Err(error)) => error.kind() == *kind,
                (Refused(range), Err(error)) => {
                    error.kind() == ErrorKind::Config && error.to_string().contains(range)
                }
                _ => false,
            };
            assert!(agrees, "{name} of {value:?}: {found:?} instead of {expected:?}");
        }
    }
}

/// Builds a pool with the setting, makes calls, and closes it. A constructor that panics refuses
/// the setting.
async fn try_setting(make: &Make, value: Value, expected: Outcome) -> Result<(), Error> {
    let made = catch_unwind(AssertUnwindSafe(|| match make {
        Setting(set) => set(pool(1), value).layer(Vec::new()),
        Layer(layer) => pool(1).layer(vec![layer(value)]),
    }));
    let builder = made.map_err(|panic| {
        let text = panic.downcast_ref::<&str>().copied().expect("a panic with a fixed text");
        Error::new(ErrorKind::Config, text)
    })?;
    let pool = soon(builder.spawn()).await?;
    let client = JobsClient::new(pool.clone());
    let called = soon(client.echo(1)).await.map(drop);
    if called.is_ok() && matches!(expected, Calls) {
        let _ = soon(client.abort()).await;
        // While a pool is broken, calls fail until a worker is up.
        soon(async {
            while client.patient(1).await.is_err() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    // A worker that gets no time to end is killed, which is an error.
    let _ = soon(pool.close()).await;
    called
}

#[tokio::test]
async fn map_takes_at_least_one_item_at_once() {
    use futures_util::StreamExt;
    let pool = started(pool(1)).await;
    for at_once in [0, 1, usize::MAX] {
        let call = |pool, number| async move { JobsClient::new(pool).echo(number).await.unwrap() };
        let results: Vec<u64> = soon(pool.map(0..5, call).at_once(at_once).collect()).await;
        assert_eq!(results, [0, 1, 2, 3, 4]);
    }
}
