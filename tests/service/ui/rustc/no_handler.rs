use isolated_workers::{Error, serve, service};

#[service]
trait Calculator {
    async fn add(&self, a: i64, b: i64) -> i64;
}

struct MyCalculator;

impl Calculator for MyCalculator {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
}

async fn run() -> Result<(), Error> {
    serve(MyCalculator).await
}

fn main() {}
