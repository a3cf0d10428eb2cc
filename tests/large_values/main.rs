//! Large values are encoded on another thread than that of their runtime, which does other work
//! meanwhile. The runtimes of these tests have one thread.

mod numbers;
mod service;

use std::future::IntoFuture;
use std::panic::AssertUnwindSafe;
use std::thread::{self, ThreadId};

use futures_util::{FutureExt, join, poll, stream};
use isolated_workers::codec::{Cbor, Codec, Compressed, Json, Postcard};
use isolated_workers::driver::Thread;
use isolated_workers::error::Executed;
use isolated_workers::prelude::*;
use isolated_workers::service::{BoxService, Local};
use isolated_workers::{ErrorKind, serve};
use isolated_workers_test_support::soon;
use numbers::{FEW, Gate, Gated, GatedClient, MANY, Numbers};
use service::Handler;

fn local<C: Codec>(codec: C) -> GatedClient<BoxService<C>> {
    GatedClient::new(BoxService::new(Local::new(Handler::default().into_service(), codec)))
}

async fn in_a_process() -> GatedClient<BoxService<Postcard>> {
    let worker = Worker::builder(Program::new(env!("CARGO_BIN_EXE_large-values-worker"))).codec(Postcard);
    GatedClient::new(BoxService::new(soon(worker.spawn()).await.unwrap()))
}

async fn in_a_thread<C: Codec>(codec: C) -> GatedClient<BoxService<C>> {
    let served = codec.clone();
    let driver =
        Thread::new(move || serve(Handler::default().into_service()).codec(served.clone()).into_future());
    GatedClient::new(BoxService::new(soon(Worker::builder(driver).codec(codec).spawn()).await.unwrap()))
}

/// Opens the gate of the host while its value is encoded.
async fn a_message_is_encoded_elsewhere<C: Codec>(client: &GatedClient<BoxService<C>>) {
    let gate = Gate::default();
    let call = client.take(Numbers::behind(MANY, &gate));
    let (taken, ()) = join!(soon(call), async { gate.open() });
    assert_eq!(taken.unwrap(), MANY);

    let gate = Gate::default();
    let items =
        [Numbers::behind(MANY, &gate), Numbers::new(1), Numbers::behind(MANY, &gate), Numbers::new(2)];
    let call = client.take_items(stream::iter(items));
    let (taken, ()) = join!(soon(call), async { gate.open() });
    assert_eq!(taken.unwrap(), [MANY, 1, MANY, 2]);
}

/// Opens the gate of the callee with another call while its value is encoded.
async fn a_reply_is_encoded_elsewhere<C: Codec>(client: &GatedClient<BoxService<C>>) {
    let (reply, opened) = join!(soon(client.reply(MANY)), soon(client.open()));
    opened.unwrap();
    assert_eq!(reply.unwrap().len, MANY);
}

async fn an_error_is_encoded_elsewhere<C: Codec>(client: &GatedClient<BoxService<C>>) {
    let (failed, opened) = join!(soon(client.fail(MANY)), soon(client.open()));
    opened.unwrap();
    let Err(CallError::Service(failure)) = failed else { panic!("{failed:?}") };
    assert_eq!(failure.len, MANY);
}

async fn items_are_encoded_elsewhere<C: Codec>(client: &GatedClient<BoxService<C>>) {
    let mut items = client.items(vec![1, MANY, 2, MANY], MANY);
    let mut next = async || {
        soon(items.next()).await.expect("an item").map(|item| item.len).map_err(|error| match error {
            CallError::Service(failure) => failure.len,
            CallError::Call(error) => panic!("{error}"),
        })
    };
    assert_eq!(next().await, Ok(1));
    let (second, opened) = join!(next(), soon(client.open()));
    opened.unwrap();
    assert_eq!(second, Ok(MANY));
    assert_eq!((next().await, next().await, next().await), (Ok(2), Ok(MANY), Err(MANY)));
    assert!(soon(items.next()).await.is_none());
}

/// Runs each check with a callee whose gate is closed.
macro_rules! checks {
    ($($name:ident: $client:expr;)*) => {$(
        mod $name {
            use super::*;

            #[tokio::test]
            async fn a_large_message_holds_no_thread() { a_message_is_encoded_elsewhere(&$client).await; }
            #[tokio::test]
            async fn a_large_reply_holds_no_thread() { a_reply_is_encoded_elsewhere(&$client).await; }
            #[tokio::test]
            async fn a_large_error_holds_no_thread() { an_error_is_encoded_elsewhere(&$client).await; }
            #[tokio::test]
            async fn large_items_hold_no_thread_and_keep_their_order() { items_are_encoded_elsewhere(&$client).await; }
        }
    )*};
}

checks! {
    process: in_a_process().await;
    thread_as_json: in_a_thread(Json).await;
    local_as_json: local(Json);
    local_as_postcard: local(Postcard);
    local_as_cbor: local(Cbor);
    local_as_compressed: local(Compressed::new(Postcard));
}

/// Returns the threads that have encoded a message of this length.
async fn threads_of(len: usize) -> Vec<ThreadId> {
    let numbers = Numbers::new(len);
    let threads = numbers.threads();
    assert_eq!(local(Postcard).take(numbers).await.unwrap(), len);
    threads.lock().unwrap().clone()
}

#[tokio::test]
async fn a_small_value_is_encoded_once_on_the_thread_of_its_caller() {
    assert_eq!(threads_of(FEW).await, [thread::current().id()]);
}

#[tokio::test]
async fn a_large_value_is_encoded_again_on_another_thread() {
    let this = thread::current().id();
    let threads = threads_of(MANY).await;
    assert!(matches!(threads[..], [first, second] if first == this && second != this), "{threads:?}");
}

#[test]
fn a_large_value_is_encoded_here_without_a_runtime() {
    let threads = threads_of(MANY).now_or_never().expect("nothing waits");
    assert_eq!(threads, [thread::current().id(); 2]);
}

#[tokio::test]
async fn a_large_text_is_copied_in_place() {
    let numbers = Numbers::new(1);
    let threads = numbers.threads();
    assert_eq!(local(Postcard).take_text("x".repeat(MANY), numbers).await.unwrap(), MANY);
    assert_eq!(*threads.lock().unwrap(), [thread::current().id()]);
}

#[tokio::test]
async fn a_value_over_the_limit_fails_its_call_with_the_limit() {
    let client = in_a_thread(Postcard).await;
    let error = soon(client.take(Numbers::new(10 << 20))).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::TooLarge, Executed::No));
    let text = "could not encode the message `take` as postcard: it has more than 8388608 bytes; raise";
    assert!(error.to_string().starts_with(text), "{error}");
    soon(client.open()).await.unwrap();
    let error = soon(client.reply(10 << 20)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[tokio::test]
async fn a_dropped_call_drops_its_message_once_it_is_encoded() {
    let client = local(Postcard);
    let gate = Gate::default();
    let (numbers, mut end) = Numbers::behind(MANY, &gate).observed();
    let mut call = Box::pin(client.take(numbers));
    assert!(poll!(&mut call).is_pending());
    drop(call);
    gate.open();
    assert_eq!(soon(end.recv()).await, None);
}

#[tokio::test]
async fn a_panic_on_the_other_thread_is_that_of_its_call() {
    let client = local(Postcard);
    let call = AssertUnwindSafe(client.take(Numbers::that_panic(MANY))).catch_unwind();
    let panic = soon(call).await.unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"a value that panics"));
}
