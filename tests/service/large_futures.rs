//! Handlers with large futures, and services with very many methods, on a stack of the usual size.

use std::thread;

use isolated_workers::codec::Json;
use isolated_workers::driver::Thread;
use isolated_workers::service::Local;
use isolated_workers::{Worker, serve, service};
use tokio::runtime::Builder;
use tokio::task::yield_now;

/// Size in bytes of the stack of tokio's and the test runner's threads.
const STACK_BYTES: usize = 2 << 20;

/// Runs `test` on a thread whose stack has the usual size.
fn on_a_usual_stack<F: Future>(test: impl FnOnce() -> F + Send + 'static) {
    let run = || {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(test());
    };
    thread::Builder::new().stack_size(STACK_BYTES).spawn(run).unwrap().join().unwrap();
}

/// Keeps `BYTES` bytes across an await, and returns their sum.
async fn hold<const BYTES: usize>(value: u8) -> u64 {
    let held = [value; BYTES];
    yield_now().await;
    held.iter().map(|byte| u64::from(*byte)).sum()
}

#[service]
trait Large {
    async fn sum(&self, value: u8) -> u64;
    async fn checked(&self, value: u8) -> Result<u64, String>;
}

struct Holding;

impl Large for Holding {
    async fn sum(&self, value: u8) -> u64 {
        hold::<{ 256 << 10 }>(value).await
    }
    async fn checked(&self, value: u8) -> Result<u64, String> {
        Ok(hold::<{ 256 << 10 }>(value).await)
    }
}

/// Declares a service with a method for each name, and calls each of them.
macro_rules! many {
    ($($method:ident)*) => {
        #[service]
        trait Many {
            $(async fn $method(&self, value: u8) -> u64;)*
        }

        impl Many for Holding {
            $(async fn $method(&self, value: u8) -> u64 {
                hold::<{ 32 << 10 }>(value).await
            })*
        }

        async fn call_each<S: isolated_workers::Service>(client: &ManyClient<S>) {
            $(assert_eq!(client.$method(1).await.unwrap(), 32 << 10);)*
        }
    };
}

many! {
    a0 a1 a2 a3 a4 a5 a6 a7 a8 a9 b0 b1 b2 b3 b4 b5 b6 b7 b8 b9 c0 c1 c2 c3 c4 c5 c6 c7 c8 c9
    d0 d1 d2 d3 d4 d5 d6 d7 d8 d9 e0 e1 e2 e3 e4 e5 e6 e7 e8 e9
}

#[test]
fn a_large_future_runs_in_this_process() {
    on_a_usual_stack(|| async {
        let client = LargeClient::new(Local::new(Large::into_service(Holding), Json));
        assert_eq!(client.sum(1).await.unwrap(), 256 << 10);
        assert_eq!(client.checked(1).await.unwrap(), 256 << 10);
    });
}

#[test]
fn a_large_future_runs_in_a_thread() {
    on_a_usual_stack(|| async {
        let driver = Thread::new(|| async { serve(Large::into_service(Holding)).await });
        let client = LargeClient::new(Worker::builder(driver).spawn().await.unwrap());
        assert_eq!(client.sum(1).await.unwrap(), 256 << 10);
        assert_eq!(client.checked(1).await.unwrap(), 256 << 10);
    });
}

#[test]
fn the_stack_does_not_grow_with_the_number_of_methods() {
    on_a_usual_stack(|| async {
        let local = ManyClient::new(Local::new(Many::into_service(Holding), Json));
        call_each(&local).await;
        let driver = Thread::new(|| async { serve(Many::into_service(Holding)).await });
        call_each(&ManyClient::new(Worker::builder(driver).spawn().await.unwrap())).await;
    });
}
