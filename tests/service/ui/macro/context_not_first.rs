use isolated_workers::service::Context;
use isolated_workers::service;

#[service]
trait Calculator {
    async fn add(&self, a: i64, b: i64, context: Context) -> i64;
    async fn log(&self, context: &Context, line: String);
}

fn main() {}
