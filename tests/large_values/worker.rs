//! Worker of the tests of large values. Its runtime has one thread.

#[allow(dead_code, reason = "not all of it is for this program")]
mod numbers;
mod service;

use isolated_workers::codec::Postcard;
use isolated_workers::{Error, serve};
use numbers::Gated;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    serve(service::Handler::default().into_service()).codec(Postcard).await
}
