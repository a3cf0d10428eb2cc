use isolated_workers::{Error, Pool};

async fn start() -> Result<Pool, Error> {
    Pool::builder("./worker").size(1..=4).spawn().await
}

fn main() {}
