use std::process::Child;

use bytes::Bytes;
use zbus::connection::Builder;
use zbus::{Connection, Guid};

use super::{raw_std, raw_tokio};
use crate::contestant::Contestant;
use crate::flavor::Flavor;

/// zbus, peer to peer without a bus.
pub struct Zbus {
    connection: Connection,
    child: Child,
}

impl Zbus {
    pub const CHILD: &str = "zbus";
}

const PATH: &str = "/echo";
const NAME: &str = "org.example.Echo";

struct ZbusEcho;

#[zbus::interface(name = "org.example.Echo")]
impl ZbusEcho {
    fn echo(&self, data: serde_bytes::ByteBuf) -> serde_bytes::ByteBuf {
        data
    }
}

impl Contestant for Zbus {
    async fn start(flavor: Flavor) -> Self {
        let (own, childs) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
        let child = raw_std::spawn(Self::CHILD, flavor, childs.into());
        let connection = Builder::unix_stream(raw_tokio::on_tokio(own)).p2p().build().await;
        Self { connection: connection.expect("a connection"), child }
    }

    async fn echo(&self, data: Bytes) -> Bytes {
        let reply = self
            .connection
            .call_method(None::<&str>, PATH, Some(NAME), "Echo", &serde_bytes::Bytes::new(&data))
            .await;
        let body = reply.expect("an echo").body();
        let data: serde_bytes::ByteBuf = body.deserialize().expect("bytes");
        data.into_vec().into()
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    async fn stop(self) {
        let Self { connection, child } = self;
        connection.close().await.expect("a connection");
        raw_tokio::wait(child).await;
    }
}

pub async fn serve() {
    let stream = raw_tokio::on_tokio(raw_std::stream());
    let builder = Builder::unix_stream(stream).server(Guid::generate()).expect("a guid").p2p();
    let connection = builder.serve_at(PATH, ZbusEcho).expect("a path").build().await.expect("a connection");
    connection.closed().await;
}
