use isolated_workers::service;

#[service]
trait Images {
    async fn scale(&self, image: &[u8], format: &str) -> Vec<u8>;
    async fn formats(&self) -> Vec<&'static str>;
}

fn main() {}
