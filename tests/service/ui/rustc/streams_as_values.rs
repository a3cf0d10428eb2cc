use isolated_workers::service;
use isolated_workers::service::Streaming;

#[service]
trait Values {
    async fn optional(&self, numbers: Option<Streaming<u64>>) -> u64;
    async fn reply(&self) -> Streaming<u64>;
}

fn main() {}
