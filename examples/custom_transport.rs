//! A transport of one's own: TCP on loopback. Everybody on the machine can connect to a port, so each side shows first
//! that it knows what only the other can have told it: two tokens, which the worker inherits by a pipe.
//!
//! `cargo run --example custom_transport`

use std::io::{self, Read, Write};
use std::time::Duration;

use isolated_workers::transport::{Bound, Channel, Inheritance};
use isolated_workers::{Transport, TxIdGenerator, Uuid, prelude::*};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// The length of a token: a random UUID.
const TOKEN: usize = 36;
type TcpChannel = Channel<OwnedReadHalf, OwnedWriteHalf>;

#[derive(Clone, Debug)]
pub(crate) struct Tcp;

impl Transport for Tcp {
    const NAME: &'static str = "tcp";
    type Reader = OwnedReadHalf;
    type Writer = OwnedWriteHalf;
    type Bound = TcpBound;

    fn bind(&self) -> io::Result<TcpBound> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let tokens = [(); 2].map(|()| Uuid.next_id().to_string());
        let (pipe, mut told) = io::pipe()?;
        told.write_all(tokens.concat().as_bytes())?;
        let inheritance = Some(Inheritance::new(listener.local_addr()?.to_string()).stdin(pipe));
        Ok(TcpBound { listener: TcpListener::from_std(listener)?, tokens, inheritance })
    }

    /// A process that the worker starts finds no tokens: `attach` fails there.
    fn is_inherited(&self, _address: &str) -> bool {
        true
    }

    async fn attach(&self, address: &str) -> io::Result<TcpChannel> {
        let mut tokens = String::new();
        io::stdin().take(2 * TOKEN as u64).read_to_string(&mut tokens)?;
        let (own, hosts) = tokens.split_at_checked(TOKEN).ok_or(io::ErrorKind::PermissionDenied)?;
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(own.as_bytes()).await?;
        channel(stream, hosts).await
    }
}

pub(crate) struct TcpBound {
    listener: TcpListener,
    /// What the worker shows, and what the host does.
    tokens: [String; 2],
    inheritance: Option<Inheritance>,
}

impl Bound for TcpBound {
    type Reader = OwnedReadHalf;
    type Writer = OwnedWriteHalf;

    fn inheritance(&mut self) -> Inheritance {
        self.inheritance.take().expect("it is asked once")
    }

    async fn establish(self) -> io::Result<TcpChannel> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            let shown = channel(stream, &self.tokens[0]);
            // A stranger is refused, and does not keep the worker waiting for long.
            if let Ok(Ok(mut channel)) = tokio::time::timeout(Duration::from_secs(1), shown).await {
                channel.writer.write_all(self.tokens[1].as_bytes()).await?;
                return Ok(channel);
            }
        }
    }
}

/// Reads the token before anything else.
async fn channel(mut stream: TcpStream, token: &str) -> io::Result<TcpChannel> {
    stream.set_nodelay(true)?;
    let mut shown = [0; TOKEN];
    stream.read_exact(&mut shown).await?;
    if shown != token.as_bytes() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the other side has another token"));
    }
    let (reader, writer) = stream.into_split();
    Ok(Channel::new(reader, writer))
}

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
    let mut stranger = TcpStream::connect(bound.inheritance().address).await?;
    stranger.write_all(&[b'?'; TOKEN]).await?;
    let mut answer = [0];
    tokio::select! {
        Ok(0) | Err(_) = stranger.read(&mut answer) => println!("a stranger with a wrong token is refused"),
        _ = bound.establish() => println!("unexpected: a stranger is taken for the worker"),
    }
    Ok(())
}
