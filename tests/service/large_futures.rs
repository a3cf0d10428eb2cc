//! Handlers with large futures, and services with very many methods, on a stack of the usual size.

use std::thread;

use isolated_workers::codec::Json;
use isolated_workers::driver::Thread;
use isolated_workers::service::Local;
use isolated_workers::{Service, Worker, serve, service};
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

/// Declares a service with a method for each name.
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
    };
}

// 300 methods.
many! {
    a0 a1 a2 a3 a4 a5 a6 a7 a8 a9 b0 b1 b2 b3 b4 b5 b6 b7 b8 b9 c0 c1 c2 c3 c4 c5 c6 c7 c8 c9 d0 d1
    d2 d3 d4 d5 d6 d7 d8 d9 e0 e1 e2 e3 e4 e5 e6 e7 e8 e9 f0 f1 f2 f3 f4 f5 f6 f7 f8 f9 g0 g1 g2 g3
    g4 g5 g6 g7 g8 g9 h0 h1 h2 h3 h4 h5 h6 h7 h8 h9 i0 i1 i2 i3 i4 i5 i6 i7 i8 i9 j0 j1 j2 j3 j4 j5
    j6 j7 j8 j9 k0 k1 k2 k3 k4 k5 k6 k7 k8 k9 l0 l1 l2 l3 l4 l5 l6 l7 l8 l9 m0 m1 m2 m3 m4 m5 m6 m7
    m8 m9 n0 n1 n2 n3 n4 n5 n6 n7 n8 n9 o0 o1 o2 o3 o4 o5 o6 o7 o8 o9 p0 p1 p2 p3 p4 p5 p6 p7 p8 p9
    q0 q1 q2 q3 q4 q5 q6 q7 q8 q9 r0 r1 r2 r3 r4 r5 r6 r7 r8 r9 s0 s1 s2 s3 s4 s5 s6 s7 s8 s9 t0 t1
    t2 t3 t4 t5 t6 t7 t8 t9 u0 u1 u2 u3 u4 u5 u6 u7 u8 u9 v0 v1 v2 v3 v4 v5 v6 v7 v8 v9 w0 w1 w2 w3
    w4 w5 w6 w7 w8 w9 x0 x1 x2 x3 x4 x5 x6 x7 x8 x9 y0 y1 y2 y3 y4 y5 y6 y7 y8 y9 z0 z1 z2 z3 z4 z5
    z6 z7 z8 z9 aa0 aa1 aa2 aa3 aa4 aa5 aa6 aa7 aa8 aa9 bb0 bb1 bb2 bb3 bb4 bb5 bb6 bb7 bb8 bb9 cc0
    cc1 cc2 cc3 cc4 cc5 cc6 cc7 cc8 cc9 dd0 dd1 dd2 dd3 dd4 dd5 dd6 dd7 dd8 dd9
}

/// Calls the first method, one in the middle and the last.
async fn call_some<S: Service>(client: &ManyClient<S>) {
    assert_eq!(client.a0(1).await.unwrap(), 32 << 10);
    assert_eq!(client.p0(1).await.unwrap(), 32 << 10);
    assert_eq!(client.dd9(1).await.unwrap(), 32 << 10);
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
        call_some(&local).await;
        let driver = Thread::new(|| async { serve(Many::into_service(Holding)).await });
        call_some(&ManyClient::new(Worker::builder(driver).spawn().await.unwrap())).await;
    });
}
