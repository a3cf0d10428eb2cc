//! Worker that serves the services that a file names.

#[path = "services.rs"]
mod services;

use isolated_workers::service::Router;
use isolated_workers::{Error, serve};
use services::{Journal, MyJournal, MyStore, Store};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let file = std::env::args().nth(1).expect("a file that names the services");
    let (store, journal) = (MyStore::default().into_service(), MyJournal::default().into_service());
    match std::fs::read_to_string(file).expect("the file").as_str() {
        "store journal" => serve(Router::new().add(store).add(journal)).await,
        "journal store" => serve(Router::new().add(journal).add(store)).await,
        "store" => serve(store).await,
        "journal" => serve(journal).await,
        "store store" => serve(Router::new().add(store.clone()).add(store)).await,
        other => panic!("unknown services: {other}"),
    }
}
