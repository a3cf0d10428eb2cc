use std::marker::PhantomData;

use isolated_workers::service;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Handle {
    id: u32,
    local: PhantomData<*const u8>,
}

#[service]
trait Handles {
    async fn close(&self, handle: Handle);
    async fn open(&self) -> Handle;
}

fn main() {}
