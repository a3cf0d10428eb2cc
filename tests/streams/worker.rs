//! Worker of the tests of streams, and its host with the argument `host`. The second argument is
//! the number of a step. The host reaches it, prints the id of its worker, and waits until it is
//! killed. The argument `postcard` selects another codec for the worker.

#[allow(dead_code, reason = "not all of it is for this program")]
mod services;
#[allow(dead_code, reason = "the worker uses none of it")]
mod steps;

use isolated_workers::codec::Postcard;
use isolated_workers::{Error, Program, Worker, serve};
use services::{Counter, Numbers, NumbersClient};
use steps::{OpenCall, Step, reach};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("host"), Some(step)) => {
            host(Step::ALL[step.parse::<usize>().expect("the number of a step")]).await
        }
        (how, _) => {
            let (counter, _seen) = Counter::new();
            let serve = serve(counter.into_service());
            if how == Some("postcard") { serve.codec(Postcard).await } else { serve.await }
        }
    }
}

async fn host(step: Step) -> Result<(), Error> {
    let worker = Worker::builder(Program::current_exe()?).spawn().await?;
    let numbers = NumbersClient::new(worker.clone());
    let call = reach(&numbers, step).await;
    println!("{}", worker.pid());
    // Items arrive and are sent until the host is killed.
    match call {
        OpenCall::Sends(call) => panic!("{}", call.await),
        OpenCall::Items(_items) => std::future::pending().await,
    }
}
