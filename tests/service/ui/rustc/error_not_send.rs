use std::fmt;
use std::marker::PhantomData;

use isolated_workers::service;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Failure {
    local: PhantomData<*const u8>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it failed")
    }
}

#[service]
trait Handles {
    async fn close(&self) -> Result<(), Failure>;
}

fn main() {}
