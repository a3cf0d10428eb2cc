use isolated_workers::{Error, Worker};

async fn start() -> Result<Worker, Error> {
    Worker::builder(std::path::PathBuf::from("./worker")).spawn().await
}

fn main() {}
