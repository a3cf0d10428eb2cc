use isolated_workers::service;

#[service]
trait Files {
    async fn size(&self, path: String) -> std::io::Result<u64>;
}

fn main() {}
