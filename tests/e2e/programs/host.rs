//! Host that starts two workers, prints their ids, and ends in a given way.
//!
//! Arguments: the path of the worker program, the state of the workers, and the end of the host.
//!
//! - State of the workers: `idle`, `spinning`, `disconnected`, `detached` (prints each address), or
//!   `nowhere` (prints the error of `disconnect`).
//! - End of the host: `exit`, `return`, `panic`, `abort`, or `wait`.
//!
//! With `prints` as the state, the third argument is an output policy: `inherit`, `discard`, `keep`
//! or `capture`. One worker prints, and the host prints nothing.

#[path = "../services/faults.rs"]
mod faults;

use std::io::Write;

use faults::FaultsClient;
use isolated_workers::driver::Output;
use isolated_workers::{Error, Program, Worker};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let [_, worker, state, end] = &std::env::args().collect::<Vec<_>>()[..] else {
        panic!("usage: e2e-host WORKER STATE END")
    };
    if state == "prints" {
        return prints(worker, end).await;
    }
    let mut workers = Vec::new();
    for _ in 0..2 {
        let program = Program::new(worker).stdout(Output::Discard).stderr(Output::Discard);
        let worker = Worker::builder(program).spawn().await?;
        let client = FaultsClient::new(worker.clone());
        match state.as_str() {
            "spinning" => {
                tokio::spawn(async move { client.spin().await });
                // The spawned task sends the call meanwhile.
                tokio::task::yield_now().await;
            }
            "detached" => {
                client.count().await?;
                println!("{}", serde_json::to_string(&worker.detach().await?).unwrap());
            }
            "disconnected" => worker.disconnect().await?,
            "nowhere" => {
                println!("{}", worker.disconnect().await.unwrap_err());
                println!("count {}", client.count().await?);
            }
            _ => client.echo(vec![1].into()).await.map(drop)?,
        }
        println!("{}", worker.pid());
        workers.push(worker);
    }
    println!("ready");
    std::io::stdout().flush().unwrap();
    match end.as_str() {
        "exit" => std::process::exit(0),
        "return" => Ok(()),
        "panic" => panic!("requested by the test"),
        "abort" => std::process::abort(),
        _ => std::future::pending().await,
    }
}

async fn prints(worker: &str, output: &str) -> Result<(), Error> {
    let output = match output {
        "inherit" => Output::Inherit,
        "discard" => Output::Discard,
        "keep" => Output::Keep,
        _ => Output::Capture,
    };
    let worker = Worker::builder(Program::new(worker).stdout(output).stderr(output)).spawn().await?;
    let client = FaultsClient::new(worker.clone());
    client.write(false, "to the output".into()).await?;
    client.write(true, "to the error".into()).await?;
    worker.close().await
}
