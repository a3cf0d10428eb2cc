use isolated_workers::service;

enum DivideError {
    ByZero,
}

#[service]
trait Calculator {
    async fn divide(&self, a: i64, b: i64) -> Result<i64, DivideError>;
}

fn main() {}
