use isolated_workers::service::Context;
use isolated_workers::service;

#[service]
trait Calculator {
    async fn add(&self, context: Context, a: i64, b: i64) -> i64;
}

struct MyCalculator;

impl Calculator for MyCalculator {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
}

fn main() {}
