use isolated_workers::service;

#[service]
trait Images {
    #[message(time_out = "60s")]
    async fn scale(&self, image: Vec<u8>) -> Vec<u8>;
    #[message(timeout = 60)]
    async fn crop(&self, image: Vec<u8>) -> Vec<u8>;
}

fn main() {}
