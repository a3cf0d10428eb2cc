use isolated_workers::layer::Next;
use isolated_workers::protocol::{Request, Response};
use isolated_workers::{Error, Program, Worker};

async fn log(request: Request, next: Next<'_>) -> Result<Response, Error> {
    println!("{}", request.name());
    next.call(request).await
}

fn main() {
    let _builder = Worker::builder(Program::new("./calculator")).layer(log);
}
