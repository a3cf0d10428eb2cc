//! The worker: a separate program, without any code of the host. See `calculator_host.rs`.

mod api;

use api::Calculator;

struct MyCalculator;

impl Calculator for MyCalculator {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
    async fn crash(&self) {
        std::process::abort()
    }
}

#[isolated_workers::main]
async fn main() -> impl Calculator {
    MyCalculator
}
