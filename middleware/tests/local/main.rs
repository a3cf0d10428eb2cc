//! Tests of the built-in layers and of stacks, around a service in this process.

mod allocations;
mod blocking;
mod boxed;
mod context;
mod limits;
#[cfg(feature = "metrics")]
mod metrics;
mod retry;
mod router;
mod stacks;
#[cfg(feature = "tower")]
mod tower;
mod trace;
mod typed;

use std::sync::atomic::{AtomicU32, Ordering};

use isolated_workers_codec::{Codec, Json};
use isolated_workers_core::{Error, ErrorKind, Executed, Message, Never, Request, Response, Schema};
use isolated_workers_middleware::{Handler, Local, handler};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Add {
    a: i64,
    b: i64,
}

impl Message for Add {
    const NAME: &'static str = "add";
    type Reply = i64;
    type Error = Never;
}

/// Fails until the call number `good`. May be run again twice.
///
/// `executed` is the execution state of the failures; `None` is [`Executed::Maybe`].
#[derive(Serialize, Deserialize)]
struct Flaky {
    good: u32,
    executed: Option<bool>,
}

impl Message for Flaky {
    const NAME: &'static str = "flaky";
    type Reply = u32;
    type Error = Never;
    const RETRY: u32 = 2;
}

/// Never answered.
#[derive(Serialize, Deserialize)]
struct Hang;

impl Message for Hang {
    const NAME: &'static str = "hang";
    type Reply = ();
    type Error = Never;
}

#[derive(Serialize, Deserialize)]
struct Panic;

impl Message for Panic {
    const NAME: &'static str = "panic";
    type Reply = ();
    type Error = Never;
}

#[derive(Default)]
struct Calculator {
    calls: AtomicU32,
}

impl Handler for Calculator {
    const SCHEMA: Schema = Schema::new("Calculator", 1);

    async fn handle<C: Codec>(&self, codec: &C, request: Request) -> Result<Response, Error> {
        match request.name() {
            Add::NAME => handler::respond(codec, request, async |Add { a, b }| Ok(a + b)).await,
            Flaky::NAME => {
                let Flaky { good, executed } = handler::decode(codec, &request)?;
                let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
                if call < good {
                    let executed = match executed {
                        Some(true) => Executed::Yes,
                        Some(false) => Executed::No,
                        None => Executed::Maybe,
                    };
                    return Err(Error::new(ErrorKind::Crashed, "crashed").with_executed(executed));
                }
                handler::reply::<Flaky, C>(codec, Ok(request.attempt()))
            }
            Hang::NAME => handler::respond(codec, request, async |Hang| std::future::pending().await).await,
            Panic::NAME => handler::respond(codec, request, async |Panic| panic!("out of cheese")).await,
            _ => Err(handler::unknown_message(&Self::SCHEMA, &request)),
        }
    }
}

fn local() -> Local<Calculator, Json> {
    Local::new(Calculator::default(), Json)
}
