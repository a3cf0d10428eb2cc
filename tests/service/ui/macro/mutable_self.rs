use isolated_workers::service;

#[service]
trait Counter {
    async fn count(&mut self) -> u64;
}

fn main() {}
