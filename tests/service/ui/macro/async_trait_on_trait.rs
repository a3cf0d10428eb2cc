use async_trait::async_trait;
use isolated_workers::service;

#[async_trait]
#[service]
trait Above {
    async fn add(&self, a: i64, b: i64) -> i64;
    async fn divide(&self, a: i64, b: i64) -> Result<i64, String>;
}

#[service]
#[async_trait]
trait Below {
    async fn add(&self, a: i64, b: i64) -> i64;
    async fn divide(&self, a: i64, b: i64) -> Result<i64, String>;
}

fn main() {}
