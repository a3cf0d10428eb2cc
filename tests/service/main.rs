//! `#[service]` and `#[main]` from the user's view: values in calls, host and worker with different
//! definitions, and compile errors for mistakes.

mod arguments;
mod concurrency;
mod constants;
mod entry;
mod hygiene;
mod implementations;
mod large_futures;
mod lints;
mod names;
mod odd_definitions;
mod pictures;
mod requests;
mod scopes;
mod services;
mod streams;
mod ui;
mod values;
mod version_skew;

use isolated_workers::codec::Codec;
use isolated_workers::host::Link;
use isolated_workers::{Program, Worker};

/// Spawns a worker that serves one of the [`services`].
async fn worker<C: Codec>(service: &str, codec: C) -> Worker<Link<C>> {
    Worker::builder(program(service, C::ID)).codec(codec).spawn().await.expect("a worker")
}

fn program(service: &str, codec: &str) -> Program {
    Program::new(env!("CARGO_BIN_EXE_shapes-worker")).arg(service).arg(codec)
}

/// Generates six tests for each function that takes a client: in a worker and in this process, with
/// each codec.
macro_rules! everywhere {
    ($client:ident, $served:literal, $handler:expr, [$($check:ident),* $(,)?]) => {$(
        mod $check {
            use isolated_workers::codec::{Cbor, Json, Postcard};
            use isolated_workers::service::Local;

            use super::*;

            #[tokio::test]
            async fn in_a_worker_as_json() {
                super::$check($client::new(crate::worker($served, Json).await)).await;
            }

            #[tokio::test]
            async fn in_a_worker_as_postcard() {
                super::$check($client::new(crate::worker($served, Postcard).await)).await;
            }

            #[tokio::test]
            async fn in_a_worker_as_cbor() {
                super::$check($client::new(crate::worker($served, Cbor).await)).await;
            }

            #[tokio::test]
            async fn in_this_process_as_json() {
                super::$check($client::new(Local::new($handler, Json))).await;
            }

            #[tokio::test]
            async fn in_this_process_as_postcard() {
                super::$check($client::new(Local::new($handler, Postcard))).await;
            }

            #[tokio::test]
            async fn in_this_process_as_cbor() {
                super::$check($client::new(Local::new($handler, Cbor))).await;
            }
        }
    )*};
}
use everywhere;
