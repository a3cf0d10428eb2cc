//! Worker of the tests without async code, and a host. Its argument says what the host does before
//! and after its call.

#[allow(dead_code, reason = "not all of it is for this program")]
mod service;
#[cfg(unix)]
mod unusual_hosts;

use isolated_workers::prelude::*;
use isolated_workers::{Error, blocking};
use service::{Calculator, Numbers};

fn main() -> Result<(), Error> {
    if is_worker() {
        return blocking::run(serve(Calculator.into_service()));
    }
    #[cfg(unix)]
    unusual_hosts::run(&std::env::args().nth(1).expect("what to do"));
    Ok(())
}
