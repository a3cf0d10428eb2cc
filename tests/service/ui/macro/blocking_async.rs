use isolated_workers::service;

#[service]
trait Calculator {
    #[message(blocking)]
    async fn add(&self, a: i64, b: i64) -> i64;
}

fn main() {}
