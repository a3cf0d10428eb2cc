//! Errors of callbacks and other calls that a handler or a layer returns as its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use isolated_workers::codec::{Codec, Json};
use isolated_workers::error::Executed;
use isolated_workers::layer::{Middleware, Retry};
use isolated_workers::protocol::{Body, Name, Request, Response, Schema};
use isolated_workers::service::{Context, Handler, handler};

use super::services::StudioClient;

use super::*;

/// Handler that returns the errors of calls that it makes itself.
#[derive(Clone)]
struct Forward(Arc<AtomicU32>);

impl Handler for Forward {
    const SCHEMA: Schema = Schema::new("Forward", 1);

    async fn handle<C: Codec>(&self, _: &C, request: Request) -> Result<Response, Error> {
        let name = request.to_name();
        let unknown = || Request::new(Name::from_static("unknown"), Body::empty());
        let host = |request| Context::of(request).host::<Json>();
        self.0.fetch_add(1, Ordering::SeqCst);
        match name.as_str() {
            "message of the host" => host(request)?.call(unknown()).await,
            // The host does not serve it, so it is not sent.
            "service of the host" => {
                Err(PainterClient::new(host(request)?).left().await.expect_err("the host serves none"))
            }
            "in this process" => Local::new(Apprentice::default().into_service(), Json).call(unknown()).await,
            // There is no host, or it is busy.
            "no host" => Context::of(Request::new(name, Body::empty())).host::<Json>()?.call(unknown()).await,
            "panic" => Err(StudioClient::new(host(request)?).panic().await.expect_err("it panics")),
            "answer" => Ok(Response::default()),
            _ => {
                self.0.fetch_sub(1, Ordering::SeqCst);
                Err(handler::unknown_message(&Self::SCHEMA, &request))
            }
        }
    }
}

const FORWARDED: [&str; 3] = ["message of the host", "service of the host", "in this process"];

/// Returns a driver of a worker that ends if a handler panics, and the number of its calls.
fn forward() -> (Thread, Arc<AtomicU32>) {
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let driver = Thread::new(move || {
        let handler = Forward(Arc::clone(&counted));
        async move { serve(handler).exit_on_panic().await }
    });
    (driver, calls)
}

fn request(name: &'static str) -> Request {
    Request::new(Name::from_static(name), Body::empty())
}

#[tokio::test]
async fn a_handler_that_returns_the_error_of_its_own_call_has_run() {
    let (driver, calls) = forward();
    let worker = Worker::builder(driver).serve(Host::new().0.into_service()).layer(Retry::new(3));
    let worker = soon(worker.spawn()).await.unwrap();
    for (calls_before, name) in (0..).zip(FORWARDED) {
        let error = soon(worker.call(request(name))).await.unwrap_err();
        assert_ne!(error.executed(), Executed::No, "{name}: {error:?}");
        assert_error(&error, ErrorKind::Remote, &[&format!("the handler of `{name}` failed: ")]);
        assert_eq!(calls.load(Ordering::SeqCst), calls_before + 1, "`{name}` was retried");
    }
    let error = soon(worker.call(request("unknown"))).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::UnknownMessage, Executed::No));
}

/// Layer that passes some messages on to a worker or to a service in this process, with another
/// name.
#[derive(Clone)]
struct Elsewhere(BoxService, Local<Forward, Json>);

impl Middleware for Elsewhere {
    async fn handle<S: Service>(&self, sent: Request, next: &S) -> Result<Response, Error> {
        match sent.name() {
            "worker" => self.0.call(request("unknown")).await,
            "local" => self.1.call(request("unknown")).await,
            _ => next.call(sent).await,
        }
    }
}

#[tokio::test]
async fn a_layer_of_a_worker_that_returns_the_error_of_another_call_does_not_tell_it_as_its_own() {
    let (driver, _) = forward();
    let inner = soon(Worker::builder(driver).spawn()).await.unwrap();
    let elsewhere = Elsewhere(BoxService::new(inner), Local::new(Forward(Arc::default()), Json));
    let driver = Thread::new(move || {
        let elsewhere = elsewhere.clone();
        async move { serve(Forward(Arc::default())).layer(elsewhere).await }
    });
    let worker = soon(Worker::builder(driver).spawn()).await.unwrap();
    for name in ["worker", "local"] {
        let error = soon(worker.call(request(name))).await.unwrap_err();
        assert_eq!((error.kind(), error.executed()), (ErrorKind::Remote, Executed::Yes), "{error:?}");
    }
    let error = soon(worker.call(request("unknown"))).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::UnknownMessage, Executed::No));
}

#[tokio::test]
async fn a_handler_in_this_process_that_returns_the_error_of_its_own_call_has_run() {
    let host = Arc::new(Local::new(Host::new().0.into_service(), Json));
    let local = Local::new(Forward(Arc::default()), Json).with_host(host);
    for name in FORWARDED.into_iter().chain(["no host"]) {
        let error = local.call(request(name)).await.unwrap_err();
        assert_ne!(error.executed(), Executed::No, "{name}: {error:?}");
    }
    let error = local.call(request("unknown")).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::UnknownMessage, Executed::No));
}

#[tokio::test]
async fn a_panic_of_the_host_ends_no_worker_that_returns_its_error() {
    let (driver, _) = forward();
    let worker = Worker::builder(driver).serve(Host::new().0.into_service());
    let worker = soon(worker.spawn()).await.unwrap();
    let error = soon(worker.call(request("panic"))).await.unwrap_err();
    assert_error(&error, ErrorKind::Panicked, &["out of paint"]);
    for _ in 0..100 {
        soon(worker.call(request("answer"))).await.unwrap();
    }
    soon(worker.close()).await.unwrap();
}
