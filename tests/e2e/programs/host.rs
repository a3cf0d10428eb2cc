//! A host that dies in the way its arguments say: `idle|spinning` and `exit|return|panic|abort|wait`. It prints the ids of
//! its workers first. With `detached` it prints the address of each, too, and leaves it running, with `disconnected` it
//! leaves it for a while, and with `nowhere` it prints why it could not. With `prints` and `inherit|discard|keep|capture` it has one worker print, and prints nothing itself.

#[path = "../services/faults.rs"]
mod faults;

use std::io::Write;

use faults::FaultsClient;
use isolated_workers::{Error, Output, Program, Worker};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let [_, worker, workers_do, host_does] = &std::env::args().collect::<Vec<_>>()[..] else {
        panic!("the worker's path, what workers do, and how the host ends")
    };
    if workers_do == "prints" {
        return prints(worker, host_does).await;
    }
    let mut workers = Vec::new();
    for _ in 0..2 {
        let program = Program::new(worker).stdout(Output::Discard).stderr(Output::Discard);
        let worker = Worker::builder(program).spawn().await?;
        let client = FaultsClient::new(worker.clone());
        match workers_do.as_str() {
            "spinning" => {
                tokio::spawn(async move { client.spin().await });
                // The call is on its way when another has been answered by the same worker, or cannot be.
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
    match host_does.as_str() {
        "exit" => std::process::exit(0),
        "return" => Ok(()),
        "panic" => panic!("as told"),
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
