//! A custom transport: TCP on loopback. Any process on the machine can connect to the port, so each
//! side first sends a token to authenticate itself. The worker inherits both tokens through a pipe.
//!
//! `cargo run --example custom_transport`

mod tcp;
mod tokens;

use isolated_workers::prelude::*;
use isolated_workers::transport::{Bound, Transport};
use tcp::Tcp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[service]
trait Calculator {
    async fn add(&self, a: i64, b: i64) -> i64;
}

struct Sum;

impl Calculator for Sum {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    if is_worker() {
        return Ok(serve(Sum.into_service()).transport(Tcp).await?);
    }
    let worker = Worker::builder(Program::current_exe()?).transport(Tcp).spawn().await?;
    println!("2 + 3 = {}", CalculatorClient::new(worker.clone()).add(2, 3).await?);
    worker.close().await?;

    let mut bound = Tcp.bind()?;
    let mut intruder = TcpStream::connect(bound.inheritance().address).await?;
    intruder.write_all(&[b'?'; tokens::TOKEN_BYTES]).await?;
    let mut answer = [0];
    tokio::select! {
        Ok(0) | Err(_) = intruder.read(&mut answer) => println!("a connection with a wrong token is rejected"),
        _ = bound.establish() => println!("unexpected: a wrong token is accepted"),
    }
    Ok(())
}
