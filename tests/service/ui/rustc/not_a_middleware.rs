use isolated_workers::{Error, Next, Program, Request, Response, Worker};

async fn log(request: Request, next: Next<'_>) -> Result<Response, Error> {
    println!("{}", request.name());
    next.call(request).await
}

fn main() {
    let _builder = Worker::builder(Program::new("./calculator")).layer(log);
}
