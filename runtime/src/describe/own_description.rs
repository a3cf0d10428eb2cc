//! Handler of a worker that also answers the reserved service.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, Message, Request, Response, Schema, ServiceInfo, Services};
use isolated_workers_middleware::Handler;
use isolated_workers_middleware::handler::{self, Answer};
use pin_project_lite::pin_project;

use super::call_counters::{CallCounters, CountedCall};
pub(crate) use super::document::WorkerFacts;
use super::document::{self};
use super::messages::{AskStatus, Describe, Ping, RESERVED};

/// Description and counters of a worker.
#[derive(Debug)]
pub(crate) struct OwnDescription {
    infos: fn() -> Vec<ServiceInfo>,
    facts: WorkerFacts,
    /// The document, made when it is first asked for.
    document: OnceLock<String>,
    counters: Arc<CallCounters>,
}

impl OwnDescription {
    /// Creates the description of a worker with the handler `H`.
    pub(crate) fn of<H: Handler>(facts: WorkerFacts) -> Self {
        let counters = Arc::new(CallCounters::new(H::SCHEMA.service()));
        Self { infos: H::infos, facts, document: OnceLock::new(), counters }
    }

    fn answer<'a, C: Codec>(&self, codec: &'a C, request: Request) -> Answer<'a> {
        match request.name() {
            Describe::NAME => {
                let make = || document::describe(&(self.infos)(), &self.facts).to_json();
                let text = self.document.get_or_init(make).clone();
                handler::respond_ok(codec, request, |Describe| std::future::ready(text))
            }
            AskStatus::NAME => {
                let mut report = self.counters.report();
                (report.resident_bytes, report.sandbox) = (resident_bytes(), document::sandbox());
                let text = report.to_json();
                handler::respond_ok(codec, request, |AskStatus| std::future::ready(text))
            }
            Ping::NAME => handler::respond_ok(codec, request, |Ping| std::future::ready(())),
            _ => Answer::failed(handler::unknown_message(&RESERVED, &request)),
        }
    }
}

/// Physical memory of this process in bytes, if the system says it in a file.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}

/// Handler that also answers the reserved service, if it has a description.
#[derive(Debug)]
pub(crate) struct DescribedHandler<H> {
    handler: H,
    /// Boxed, so that a call without it costs one comparison.
    own: Option<Box<OwnDescription>>,
}

impl<H: Handler> DescribedHandler<H> {
    pub(crate) fn new(handler: H, own: Option<OwnDescription>) -> Self {
        Self { handler, own: own.map(Box::new) }
    }
}

impl<H: Handler> Handler for DescribedHandler<H> {
    const SCHEMA: Schema = H::SCHEMA;

    fn handle<C: Codec>(
        &self,
        codec: &C,
        request: Request,
    ) -> impl Future<Output = Result<Response, Error>> + Send {
        let Some(own) = &self.own else {
            return Handling::Plain { future: self.handler.handle(codec, request) };
        };
        if request.named_service() == Some(Services::RESERVED) {
            return Handling::Reserved { future: own.answer(codec, request) };
        }
        let call = own.counters.begin(&request);
        Handling::Counted { future: self.handler.handle(codec, request), call }
    }
}

pin_project! {
    /// Answer to a request.
    #[project = HandlingProj]
    enum Handling<F, R> {
        Plain {
            #[pin]
            future: F,
        },
        Counted {
            #[pin]
            future: F,
            call: Option<CountedCall>,
        },
        Reserved {
            #[pin]
            future: R,
        },
    }
}

impl<F, R> Future for Handling<F, R>
where
    F: Future<Output = Result<Response, Error>>,
    R: Future<Output = Result<Response, Error>>,
{
    type Output = Result<Response, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            HandlingProj::Plain { future } => future.poll(cx),
            HandlingProj::Reserved { future } => future.poll(cx),
            HandlingProj::Counted { future, call } => {
                let mut result = ready!(future.poll(cx));
                if let Some(call) = call.take() {
                    call.answered(&mut result);
                }
                Poll::Ready(result)
            }
        }
    }
}
