//! Workers, pools and clients for programs without a runtime.

mod calls;
mod pools;
mod runtimes;
mod service;
mod streams;
#[cfg(target_os = "linux")]
mod unusual_hosts_tests;

use isolated_workers::blocking;
use isolated_workers::host::Builder;
use isolated_workers::prelude::*;
use service::NumbersBlockingClient;

const PROGRAM: &str = env!("CARGO_BIN_EXE_blocking-program");

fn builder() -> Builder {
    Worker::builder(Program::new(PROGRAM))
}

fn started() -> (blocking::Worker, NumbersBlockingClient<blocking::Worker>) {
    let worker = blocking::Worker::spawn(builder()).unwrap();
    let numbers = NumbersBlockingClient::new(worker.clone());
    (worker, numbers)
}
