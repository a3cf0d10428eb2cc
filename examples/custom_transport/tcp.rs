//! The transport: the host listens, and the worker inherits the address and connects.

use std::io;
use std::time::Duration;

use isolated_workers::transport::{Bound, Channel, Inheritance, Transport};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::tokens::{self, Tokens};

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
        let tokens = Tokens::random();
        let inheritance = Inheritance::new(listener.local_addr()?.to_string()).stdin(tokens.pipe()?);
        Ok(TcpBound { listener: TcpListener::from_std(listener)?, tokens, inheritance: Some(inheritance) })
    }

    /// Always `true`: in a child of the worker, which inherits no tokens, `attach` fails.
    fn is_inherited(&self, _address: &str) -> bool {
        true
    }

    async fn attach(&self, address: &str) -> io::Result<TcpChannel> {
        let tokens = Tokens::inherited()?;
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(tokens.worker.as_bytes()).await?;
        tokens::check(&mut stream, &tokens.host).await?;
        Ok(channel(stream))
    }
}

pub(crate) struct TcpBound {
    listener: TcpListener,
    tokens: Tokens,
    inheritance: Option<Inheritance>,
}

impl Bound for TcpBound {
    type Reader = OwnedReadHalf;
    type Writer = OwnedWriteHalf;

    fn inheritance(&mut self) -> Inheritance {
        self.inheritance.take().expect("a single call of `inheritance`")
    }

    async fn establish(self) -> io::Result<TcpChannel> {
        loop {
            let (mut stream, _) = self.listener.accept().await?;
            stream.set_nodelay(true)?;
            // A connection that sends no token delays the worker by at most a second.
            let check = tokens::check(&mut stream, &self.tokens.worker);
            if let Ok(Ok(())) = tokio::time::timeout(Duration::from_secs(1), check).await {
                stream.write_all(self.tokens.host.as_bytes()).await?;
                return Ok(channel(stream));
            }
        }
    }
}

fn channel(stream: TcpStream) -> TcpChannel {
    let (reader, writer) = stream.into_split();
    Channel::new(reader, writer)
}
