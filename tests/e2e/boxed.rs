//! Workers whose layers are erased from the type.

use isolated_workers::error::ExitReason;
use isolated_workers::host::{Lifecycle, Status};
use isolated_workers::layer::{on_request, on_response};
use isolated_workers::service::BoxService;

use super::*;

/// State of an application. The types are short, regardless of the layers.
struct App {
    worker: Worker<BoxService>,
    faults: FaultsClient<Worker<BoxService>>,
}

/// Shuts down a worker or a pool.
async fn shut_down(either: &impl Lifecycle<Exit = ExitReason>) -> ExitReason {
    either.drain().await.unwrap();
    either.closed().await
}

#[tokio::test]
async fn a_worker_with_closures_as_layers_is_stored_in_a_field() {
    let mark = |_: &mut isolated_workers::protocol::Request| Ok(());
    let worker = worker().layer(on_request(mark)).layer(on_response(|_, _| ())).spawn().await.unwrap();
    let pid = worker.pid();
    let app = App { faults: FaultsClient::new(worker.boxed()), worker: worker.boxed() };
    drop(worker);

    assert_eq!(app.worker.pid(), pid, "the boxed handle is of the same process");
    assert_eq!(*app.worker.status().borrow(), Status::Active, "it keeps the worker alive");
    assert_eq!(app.faults.echo(b"layers".to_vec().into()).await.unwrap(), b"layers".to_vec());
    assert_eq!(soon(shut_down(&app.worker)).await, ExitReason::Exited(0));
}
