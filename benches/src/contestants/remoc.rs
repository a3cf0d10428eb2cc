use std::process::Child;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use remoc::codec;
use remoc::prelude::*;
use remoc::rch::mpsc;
use remoc::rtc::CallError;

use super::{raw_std, raw_tokio};
use crate::contestant::{Contestant, Describe, Streams};
use crate::flavor::Flavor;
use crate::items::Items;
use crate::service::Record;

/// A remote trait of remoc. Its streams are remote channels with their default buffer.
pub struct Remoc {
    client: RemoteEchoClient,
    child: Child,
}

impl Remoc {
    pub const CHILD: &str = "remoc";
}

#[rtc::remote]
trait RemoteEcho {
    async fn echo(&self, data: Bytes) -> Result<Bytes, CallError>;
    async fn describe(&self, record: Record) -> Result<Record, CallError>;
    async fn receive(&self, items: Items, out: mpsc::Sender<Bytes>) -> Result<(), CallError>;
    async fn send(&self, items: mpsc::Receiver<Bytes>) -> Result<u32, CallError>;
    async fn call_back(&self, host: RemoteHostClient, calls: u32) -> Result<(), CallError>;
}

/// The service of the host, for callbacks.
#[rtc::remote]
trait RemoteHost {
    async fn echo(&self, data: Bytes) -> Result<Bytes, CallError>;
}

struct LocalEcho;

impl RemoteEcho for LocalEcho {
    async fn echo(&self, data: Bytes) -> Result<Bytes, CallError> {
        Ok(data)
    }

    async fn describe(&self, record: Record) -> Result<Record, CallError> {
        Ok(record)
    }

    async fn receive(&self, items: Items, out: mpsc::Sender<Bytes>) -> Result<(), CallError> {
        for item in items.iter() {
            let _ = out.send(item).await.expect("the host takes items");
        }
        Ok(())
    }

    async fn send(&self, mut items: mpsc::Receiver<Bytes>) -> Result<u32, CallError> {
        let mut count = 0;
        while items.recv().await.expect("items").is_some() {
            count += 1;
        }
        Ok(count)
    }

    async fn call_back(&self, host: RemoteHostClient, calls: u32) -> Result<(), CallError> {
        for _ in 0..calls {
            host.echo(Bytes::from_static(&[7; 64])).await?;
        }
        Ok(())
    }
}

struct LocalHost;

impl RemoteHost for LocalHost {
    async fn echo(&self, data: Bytes) -> Result<Bytes, CallError> {
        Ok(data)
    }
}

impl Contestant for Remoc {
    async fn start(flavor: Flavor) -> Self {
        let (own, child) = raw_std::spawn(Self::CHILD, flavor);
        let (reader, writer) = raw_tokio::on_tokio(own).into_split();
        let client = remoc::Connect::io(remoc::Cfg::default(), reader, writer).consume().await;
        Self { client: client.expect("the child hands its client over"), child }
    }

    async fn echo(&self, data: Bytes) -> Bytes {
        self.client.echo(data).await.expect("an echo")
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    async fn stop(self) {
        let Self { client, child } = self;
        drop(client);
        raw_tokio::wait(child).await;
    }
}

impl Describe for Remoc {
    async fn describe(&self, record: Record) -> Record {
        self.client.describe(record).await.expect("a record")
    }
}

impl Streams for Remoc {
    async fn receive(&self, items: Items) -> Instant {
        let (sender, mut received) = mpsc::channel();
        let take = items.take_all(async || received.recv().await.expect("items").is_some());
        let (answer, first) = tokio::join!(self.client.receive(items, sender), take);
        answer.expect("an answer");
        first
    }

    async fn send(&self, items: Items) {
        let (sender, received) = mpsc::channel();
        let put = async move {
            for item in items.iter() {
                let _ = sender.send(item).await.expect("the child takes items");
            }
        };
        let (count, ()) = tokio::join!(self.client.send(received), put);
        items.assert_all(count.expect("a count"));
    }

    async fn call_back(&self, calls: u32) {
        let (server, host) = RemoteHostServerShared::<_, codec::Default>::new(Arc::new(LocalHost));
        // The server ends when the child drops its client, which may be before the answer arrives.
        let (answer, served) = tokio::join!(self.client.call_back(host, calls), server.serve());
        answer.expect("callbacks");
        served.expect("the connection stays");
    }
}

pub async fn serve() {
    let (reader, writer) = raw_tokio::on_tokio(raw_std::stream()).into_split();
    let (server, client) = RemoteEchoServerShared::<_, codec::Default>::new(Arc::new(LocalEcho));
    let provided = remoc::Connect::io(remoc::Cfg::default(), reader, writer).provide(client).await;
    provided.expect("the host takes the client");
    server.serve().await.expect("it serves until its host is gone");
}
