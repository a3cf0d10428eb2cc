use std::process::Child;

use bytes::Bytes;
use futures_util::StreamExt;
use tarpc::client::Config;
use tarpc::context;
use tarpc::server::{BaseChannel, Channel};
use tokio::net::UnixStream;
use tokio_serde::formats::Bincode;
use tokio_util::codec::Framed;

use super::{raw_std, raw_tokio};
use crate::contestant::{Contestant, Describe};
use crate::flavor::Flavor;
use crate::service::Record;

/// tarpc with bincode, the fastest of its formats.
pub struct Tarpc {
    client: EchoServiceClient,
    child: Child,
}

impl Tarpc {
    pub const CHILD: &str = "tarpc";
}

#[tarpc::service]
trait EchoService {
    async fn echo(data: Bytes) -> Bytes;
    async fn describe(record: Record) -> Record;
}

#[derive(Clone)]
struct EchoServer;

impl EchoService for EchoServer {
    async fn echo(self, _: context::Context, data: Bytes) -> Bytes {
        data
    }

    async fn describe(self, _: context::Context, record: Record) -> Record {
        record
    }
}

/// Higher than the number of calls that are ever in flight.
const MAX_IN_FLIGHT: usize = 1024;

macro_rules! transport {
    ($stream:expr) => {{
        let stream: UnixStream = $stream;
        tarpc::serde_transport::new(Framed::new(stream, raw_tokio::codec()), Bincode::default())
    }};
}

impl Contestant for Tarpc {
    async fn start(flavor: Flavor) -> Self {
        let (own, child) = raw_std::spawn(Self::CHILD, flavor);
        let mut config = Config::default();
        config.max_in_flight_requests = MAX_IN_FLIGHT;
        config.pending_request_buffer = MAX_IN_FLIGHT;
        Self { client: EchoServiceClient::new(config, transport!(raw_tokio::on_tokio(own))).spawn(), child }
    }

    async fn echo(&self, data: Bytes) -> Bytes {
        self.client.echo(context::current(), data).await.expect("an echo")
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

impl Describe for Tarpc {
    async fn describe(&self, record: Record) -> Record {
        self.client.describe(context::current(), record).await.expect("a record")
    }
}

pub async fn serve() {
    let config = tarpc::server::Config { pending_response_buffer: MAX_IN_FLIGHT };
    let channel = BaseChannel::new(config, transport!(raw_tokio::on_tokio(raw_std::stream())));
    let answer = |answer| async {
        tokio::spawn(answer);
    };
    channel.execute(EchoServer.serve()).for_each(answer).await;
}
