use std::process::Child;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use vox::transport::tcp::StreamLink;
use vox::{Rx, TransportMode, Tx};

use super::{raw_std, raw_tokio};
use crate::contestant::{Contestant, Describe, Streams};
use crate::flavor::Flavor;
use crate::items::Items;
use crate::service::Record;

/// A service of vox. Its streams are channels with their default capacity.
pub struct Vox {
    client: VoxEchoClient,
    child: Child,
}

impl Vox {
    pub const CHILD: &str = "vox";
}

#[vox::service]
trait VoxEcho {
    async fn echo(&self, data: Vec<u8>) -> Vec<u8>;
    async fn describe(&self, record: Record) -> Record;
    async fn receive(&self, items: Items, out: Tx<Vec<u8>>);
    async fn send(&self, items: Rx<Vec<u8>>) -> u32;
    async fn call_back(&self, calls: u32);
}

/// The service of the host, for callbacks.
#[vox::service]
trait VoxHost {
    async fn echo(&self, data: Vec<u8>) -> Vec<u8>;
}

#[derive(Clone, Default)]
struct LocalEcho {
    host: Arc<OnceLock<VoxHostClient>>,
}

impl VoxEcho for LocalEcho {
    async fn echo(&self, data: Vec<u8>) -> Vec<u8> {
        data
    }

    async fn describe(&self, record: Record) -> Record {
        record
    }

    async fn receive(&self, items: Items, out: Tx<Vec<u8>>) {
        for item in items.iter() {
            out.send(item.into()).await.expect("the host takes items");
        }
        out.close(Default::default()).await.expect("the host takes the end");
    }

    async fn send(&self, mut items: Rx<Vec<u8>>) -> u32 {
        let mut count = 0;
        while items.recv().await.expect("items").is_some() {
            count += 1;
        }
        count
    }

    async fn call_back(&self, calls: u32) {
        let host = self.host.get().expect("a connection");
        for _ in 0..calls {
            host.echo(vec![7; 64]).await.expect("an echo");
        }
    }
}

#[derive(Clone)]
struct LocalHost;

impl VoxHost for LocalHost {
    async fn echo(&self, data: Vec<u8>) -> Vec<u8> {
        data
    }
}

/// Higher than the number of calls that are ever in flight. The default is 64.
const MAX_IN_FLIGHT: u32 = 1024;

impl Contestant for Vox {
    async fn start(flavor: Flavor) -> Self {
        let (own, child) = raw_std::spawn(Self::CHILD, flavor);
        let link = StreamLink::unix(raw_tokio::on_tokio(own));
        let builder = vox::initiator_on(link, TransportMode::Bare).max_concurrent_requests(MAX_IN_FLIGHT);
        let client = builder.on_connection(VoxHostDispatcher::new(LocalHost)).establish().await;
        Self { client: client.expect("a connection"), child }
    }

    async fn echo(&self, data: Bytes) -> Bytes {
        self.client.echo(data.into()).await.expect("an echo").into()
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

impl Describe for Vox {
    async fn describe(&self, record: Record) -> Record {
        self.client.describe(record).await.expect("a record")
    }
}

impl Streams for Vox {
    async fn receive(&self, items: Items) -> Instant {
        let (sender, mut received) = vox::channel::<Vec<u8>>();
        let take = items.take_all(async || received.recv().await.expect("items").is_some());
        let (answer, first) = tokio::join!(self.client.receive(items, sender), take);
        answer.expect("an answer");
        first
    }

    async fn send(&self, items: Items) {
        let (sender, received) = vox::channel::<Vec<u8>>();
        let put = async move {
            for item in items.iter() {
                sender.send(item.into()).await.expect("the child takes items");
            }
            sender.close(Default::default()).await.expect("the child takes the end");
        };
        let (count, ()) = tokio::join!(self.client.send(received), put);
        items.assert_all(count.expect("a count"));
    }

    async fn call_back(&self, calls: u32) {
        self.client.call_back(calls).await.expect("callbacks");
    }
}

pub async fn serve() {
    let link = StreamLink::unix(raw_tokio::on_tokio(raw_std::stream()));
    let echo = LocalEcho::default();
    let builder = vox::acceptor_on(link).max_concurrent_requests(MAX_IN_FLIGHT);
    let builder = builder.on_connection(VoxEchoDispatcher::new(echo.clone()));
    let host = builder.establish().await.expect("a connection");
    echo.host.get_or_init(|| host).caller.closed().await;
}
