//! Order of layers, and the layer that an error names, on host and worker.

use std::time::Duration;

use isolated_workers::layer::{Auth, ConcurrencyLimit, Deadline, LoadShed, RateLimit, Retry, Timeout, Trace};
use isolated_workers::protocol::{Request, Response};
use isolated_workers::{CallError, Error, ErrorKind, Service};
use isolated_workers_test_support::soon;

use crate::support::mark::{FAULT, Mark, NAMES, PATH};
use crate::support::service::DeskClient;
use crate::support::service::desk::Add;
use crate::{desk, program};

async fn call(service: &impl Service, fault: &str) -> Result<Response, Error> {
    let mut request = Request::of::<Add>(br#"{"a":2,"b":3}"#.to_vec().into());
    request.metadata_mut().insert(FAULT, fault);
    soon(service.call(request)).await
}

/// Removes the location of a panic, which only a worker reports.
fn without_location(error: &impl ToString) -> String {
    let text = error.to_string();
    match text.split_once(" at tests/") {
        Some((before, after)) => {
            format!("{before}: {}", after.split_once(": ").expect("a location and a message").1)
        }
        None => text,
    }
}

/// Tries every fault in a stack of `layers` layers.
async fn check(service: &impl Service, layers: usize, side: &str) {
    let answer = call(service, "none").await.unwrap();
    assert_eq!(answer.body().as_bytes(), b"5");
    let path: String = (1..=layers).rev().map(|number| format!("<{number}")).collect();
    assert_eq!(answer.metadata().get(PATH).unwrap_or_default(), path, "{layers} layers on the {side}");
    for at in 1..=layers {
        for (way, kind, text) in [
            ("in", ErrorKind::Denied, "no entry"),
            ("out", ErrorKind::Middleware, "no exit"),
            ("panic", ErrorKind::Panicked, "it panicked: requested by the test"),
        ] {
            let fault = format!("{way} {at}");
            let error = call(service, &fault).await.unwrap_err();
            assert_eq!(error.kind(), kind, "{fault} of {layers} on the {side}: {error}");
            let expected = format!("in the middleware `{}`: {text}", NAMES[at - 1]);
            assert_eq!(without_location(&error), expected, "{fault} of {layers} on the {side}");
        }
    }
    // Each fault failed only its own call.
    assert!(call(service, "none").await.is_ok());
}

#[tokio::test]
async fn layers_run_in_order_in_both_directions_whatever_fails() {
    for layers in 0..=4 {
        let worker = program(&["marks", &layers.to_string()]).spawn().await.unwrap();
        check(&worker, layers, "worker").await;
        worker.close().await.unwrap();

        let mark = |number| (number <= layers).then_some(Mark(number));
        let host = program(&["plain"]).layer(mark(1)).layer(mark(2)).layer(mark(3)).layer(mark(4));
        check(&host.spawn().await.unwrap(), layers, "host").await;
    }
}

#[tokio::test]
async fn eight_layers_compile_and_run_on_both_sides() {
    let builder = program(&["eight"]).layer(Trace).layer(LoadShed::new(10)).layer(Deadline::new());
    let builder = builder.layer(RateLimit::new(100, Duration::from_secs(1))).layer(Retry::new(3));
    let builder = builder.layer(ConcurrencyLimit::new(5)).layer(Timeout::new(Duration::from_secs(5)));
    let desk = DeskClient::new(builder.layer(Auth::new("the right one")).spawn().await.unwrap());
    assert_eq!(soon(desk.add(2, 3)).await.unwrap(), 5);
    // The future of a call is `Send`.
    let spawned = tokio::spawn(async move { desk.add(3, 4).await });
    assert_eq!(soon(spawned).await.unwrap().unwrap(), 7);
}

#[tokio::test]
async fn an_error_of_the_handler_names_no_middleware() {
    let desk = desk(&["marks", "4"]).await;
    let panicked = soon(desk.panic()).await.unwrap_err();
    assert!(panicked.to_string().contains(" panicked at tests/middleware/worker.rs:"), "{panicked}");
    assert_eq!(without_location(&panicked), "the handler of `panic` panicked: requested by the test");
    let CallError::Service(failed) = soon(desk.fail()).await.unwrap_err() else {
        panic!("the error of the service")
    };
    assert_eq!(failed, "requested by the test");
}
