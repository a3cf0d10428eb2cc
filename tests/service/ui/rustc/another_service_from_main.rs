use isolated_workers::service;

#[service]
trait Calculator {
    async fn add(&self, a: i64, b: i64) -> i64;
}

struct MyCalculator;

#[isolated_workers::main]
async fn main() -> impl Calculator {
    MyCalculator
}
