use isolated_workers::{Error, Worker, service};

#[service]
trait Calculator {
    async fn add(&self, a: i64, b: i64) -> i64;
}

async fn sum(worker: Worker) -> Result<i64, Error> {
    let calculator = CalculatorClient::new(worker);
    calculator.add(1, "2").await
}

fn main() {}
