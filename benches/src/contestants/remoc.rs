use std::process::Child;
use std::sync::Arc;

use bytes::Bytes;
use remoc::codec;
use remoc::prelude::*;
use remoc::rtc::CallError;

use super::{raw_std, raw_tokio};
use crate::contestant::Contestant;
use crate::flavor::Flavor;

/// A remote trait of remoc.
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
}

struct LocalEcho;

impl RemoteEcho for LocalEcho {
    async fn echo(&self, data: Bytes) -> Result<Bytes, CallError> {
        Ok(data)
    }
}

impl Contestant for Remoc {
    async fn start(flavor: Flavor) -> Self {
        let (own, childs) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
        let child = raw_std::spawn(Self::CHILD, flavor, childs.into());
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

pub async fn serve() {
    let (reader, writer) = raw_tokio::on_tokio(raw_std::stream()).into_split();
    let (server, client) = RemoteEchoServerShared::<_, codec::Default>::new(Arc::new(LocalEcho));
    let provided = remoc::Connect::io(remoc::Cfg::default(), reader, writer).provide(client).await;
    provided.expect("the host takes the client");
    server.serve().await.expect("it serves until its host is gone");
}
