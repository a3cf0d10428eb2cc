//! Failures of functions, and calls that must not be made.

use isolated_workers::codec::Postcard;
use isolated_workers::prelude::*;
use isolated_workers::service::Local;
use isolated_workers::{ErrorKind, offload};
use isolated_workers_test_library::numbers::{double, pid};

#[offload]
fn index(at: usize) -> u8 {
    [1, 2, 3][at]
}

#[offload]
fn abort() {
    std::process::abort()
}

#[offload(timeout = "50ms")]
fn hang() {
    loop {
        std::thread::park();
    }
}

/// Calls the default pool in a worker.
#[offload]
fn nested() -> String {
    double::blocking(1).expect_err("a refusal").to_string()
}

#[isolated_workers::test]
async fn a_panic_is_an_error_with_its_place() {
    let error = index::run(3).await.expect_err("a panic");
    assert_eq!(error.kind(), ErrorKind::Panicked);
    let text = error.to_string();
    assert!(text.contains("offload::failures::index") && text.contains("failures.rs:"), "{text}");
    assert_eq!(index::run(2).await.unwrap(), 3);
}

#[isolated_workers::test]
async fn a_crash_is_an_error() {
    assert_eq!(abort::run().await.expect_err("a crash").kind(), ErrorKind::Crashed);
    assert_eq!(double::run(1).await.unwrap(), 2);
}

#[isolated_workers::test]
async fn a_function_that_never_ends_is_killed_by_its_timeout() {
    // More calls than the pool has workers.
    for _ in 0..=std::thread::available_parallelism().map_or(1, usize::from) {
        assert_eq!(hang::run().await.expect_err("a timeout").kind(), ErrorKind::Timeout);
    }
    assert_eq!(double::run(1).await.unwrap(), 2);
}

#[isolated_workers::test]
async fn a_worker_has_no_default_pool() {
    let text = nested::run().await.unwrap();
    assert!(text.contains("is itself a worker for offloaded functions"), "{text}");
}

#[isolated_workers::test]
async fn another_codec_is_refused() {
    let local = Local::new(offload::Functions, Postcard);
    let request =
        isolated_workers::protocol::Request::new("f".into(), isolated_workers::protocol::Body::empty());
    let error = local.call(request).await.expect_err("a refusal");
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("the codec of this worker is postcard"), "{error}");
}

#[isolated_workers::test]
async fn a_worker_without_functions_is_named() {
    #[service]
    trait Other {
        async fn other(&self);
    }
    struct MyOther;
    impl Other for MyOther {
        async fn other(&self) {}
    }
    let thread = isolated_workers::driver::Thread::new(|| async { serve(MyOther.into_service()).await });
    let worker = Worker::builder(thread).spawn().await.unwrap();
    let error = pid::on(&worker).await.expect_err("another service");
    assert_eq!(error.kind(), ErrorKind::UnknownMessage);
    assert!(error.to_string().contains("`offload`"), "{error}");
}
