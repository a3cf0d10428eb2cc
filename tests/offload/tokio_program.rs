//! Program that calls `init` within a runtime.

use isolated_workers::{Error, offload};
use isolated_workers_test_library::numbers::double;

#[tokio::main]
async fn main() -> Result<(), Error> {
    offload::init();
    println!("{} and {}", double::run(21).await?, double::blocking(21)?);
    Ok(())
}
