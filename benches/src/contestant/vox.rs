use std::process::Child;

use bytes::Bytes;
// It has no other name for that of a Unix socket.
use vox::transport::tcp::StreamLink;

use super::{Contestant, raw_std, raw_tokio};
use crate::flavor::Flavor;

/// A release candidate, over its link of a stream.
pub struct Vox {
    client: EchoClient,
    child: Child,
}

impl Vox {
    pub const CHILD: &str = "vox";
}

#[vox::service]
trait Echo {
    async fn echo(&self, data: Vec<u8>) -> Vec<u8>;
}

#[derive(Clone)]
struct Server;

impl Echo for Server {
    async fn echo(&self, data: Vec<u8>) -> Vec<u8> {
        data
    }
}

impl Contestant for Vox {
    async fn start(flavor: Flavor) -> Self {
        let (own, childs) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
        let child = raw_std::spawn(Self::CHILD, flavor, childs.into());
        let link = StreamLink::unix(raw_tokio::on_tokio(own));
        let client = vox::initiator_on(link).establish::<EchoClient>().await;
        Self { client: client.expect("the child accepts"), child }
    }

    async fn echo(&self, data: Bytes) -> Bytes {
        self.client.echo(data.to_vec()).await.expect("an echo").into()
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
    let link = StreamLink::unix(raw_tokio::on_tokio(raw_std::stream()));
    let acceptor = vox::acceptor_on(link).on_lane(EchoDispatcher::new(Server));
    let connection = acceptor.establish_connection().await.expect("the host connects");
    connection.closed().await;
}
