use std::convert::Infallible;
use std::process::Child;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use futures_util::future::{BoxFuture, Ready, ready};
use futures_util::stream::{self, BoxStream, StreamExt};
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use prost::Message;
use rustix::event::{PollFd, PollFlags, poll};
use tokio::net::UnixStream;
use tonic::body::Body;
use tonic::server::{ClientStreamingService, NamedService, ServerStreamingService, UnaryService};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming, client, server};
use tonic_prost::ProstCodec;
use tower::Service;

use super::{raw_std, raw_tokio};
use crate::contestant::{Contestant, Describe, Streams};
use crate::flavor::Flavor;
use crate::items::Items;
use crate::service::Record;

/// Methods of tonic whose messages are bytes. They are written by hand as the generator would write
/// them, because Cargo cannot install the generator.
pub struct Tonic {
    channel: Channel,
    child: Child,
}

impl Tonic {
    pub const CHILD: &str = "tonic";
}

#[derive(Clone, PartialEq, prost::Message)]
struct Data {
    #[prost(bytes = "bytes", tag = "1")]
    data: Bytes,
}

const ECHO: &str = "/benches.Echo/Echo";
const DESCRIBE: &str = "/benches.Echo/Describe";
const RECEIVE: &str = "/benches.Echo/Receive";
const SEND: &str = "/benches.Echo/Send";

/// Largest message. The default is 4 MiB.
const MAX_MESSAGE_BYTES: usize = 300 << 20;

#[derive(Clone, PartialEq, prost::Message)]
struct ItemsMessage {
    #[prost(uint32, tag = "1")]
    count: u32,
    #[prost(uint32, tag = "2")]
    bytes: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct RecordMessage {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, tag = "3")]
    city: String,
    #[prost(bool, tag = "4")]
    is_active: bool,
    #[prost(uint32, tag = "5")]
    age: u32,
    #[prost(sint64, tag = "6")]
    balance: i64,
    #[prost(double, tag = "7")]
    rating: f64,
    #[prost(string, repeated, tag = "8")]
    tags: Vec<String>,
    #[prost(uint64, optional, tag = "9")]
    referrer: Option<u64>,
    #[prost(float, repeated, tag = "10")]
    position: Vec<f32>,
}

impl From<Record> for RecordMessage {
    fn from(record: Record) -> Self {
        let Record { id, name, city, is_active, age, balance, rating, tags, referrer, position } = record;
        let (age, position) = (age.into(), vec![position.0, position.1]);
        Self { id, name, city, is_active, age, balance, rating, tags, referrer, position }
    }
}

impl From<RecordMessage> for Record {
    fn from(record: RecordMessage) -> Self {
        let RecordMessage { id, name, city, is_active, age, balance, rating, tags, referrer, position } =
            record;
        let (age, position) = (age as u8, (position[0], position[1]));
        Self { id, name, city, is_active, age, balance, rating, tags, referrer, position }
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct Count {
    #[prost(uint32, tag = "1")]
    count: u32,
}

#[derive(Clone)]
struct TonicEcho;

impl NamedService for TonicEcho {
    const NAME: &'static str = "benches.Echo";
}

impl<M: Message> UnaryService<M> for TonicEcho {
    type Response = M;
    type Future = Ready<Result<Response<M>, Status>>;

    fn call(&mut self, request: Request<M>) -> Self::Future {
        ready(Ok(Response::new(request.into_inner())))
    }
}

impl ServerStreamingService<ItemsMessage> for TonicEcho {
    type Response = Data;
    type ResponseStream = BoxStream<'static, Result<Data, Status>>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<ItemsMessage>) -> Self::Future {
        let ItemsMessage { count, bytes } = request.into_inner();
        let items = Items { count, bytes }.iter().map(|data| Ok(Data { data }));
        ready(Ok(Response::new(stream::iter(items).boxed())))
    }
}

impl ClientStreamingService<Data> for TonicEcho {
    type Response = Count;
    type Future = BoxFuture<'static, Result<Response<Count>, Status>>;

    fn call(&mut self, request: Request<Streaming<Data>>) -> Self::Future {
        let mut items = request.into_inner();
        Box::pin(async move {
            let mut count = 0;
            while items.message().await?.is_some() {
                count += 1;
            }
            Ok(Response::new(Count { count }))
        })
    }
}

impl Service<http::Request<Body>> for TonicEcho {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            Ok(match request.uri().path() {
                RECEIVE => server().server_streaming(TonicEcho, request).await,
                SEND => server().client_streaming(TonicEcho, request).await,
                DESCRIBE => server::<RecordMessage, RecordMessage>().unary(TonicEcho, request).await,
                _ => server::<Data, Data>().unary(TonicEcho, request).await,
            })
        })
    }
}

fn server<S, R>() -> server::Grpc<ProstCodec<S, R>>
where
    S: Message + Default + 'static,
    R: Message + Default + 'static,
{
    server::Grpc::new(ProstCodec::default()).max_decoding_message_size(MAX_MESSAGE_BYTES)
}

impl Tonic {
    async fn client(&self) -> client::Grpc<Channel> {
        let mut grpc = client::Grpc::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        grpc.ready().await.expect("a connection");
        grpc
    }

    async fn unary<M: Message + Default + 'static>(&self, path: &'static str, message: M) -> M {
        let codec = ProstCodec::<M, M>::default();
        let path = PathAndQuery::from_static(path);
        let reply = self.client().await.unary(Request::new(message), path, codec).await;
        reply.expect("an echo").into_inner()
    }
}

impl Contestant for Tonic {
    async fn start(flavor: Flavor) -> Self {
        let (own, child) = raw_std::spawn(Self::CHILD, flavor);
        let mut stream = Some(TokioIo::new(raw_tokio::on_tokio(own)));
        let connector =
            tower::service_fn(move |_| ready(stream.take().ok_or(std::io::ErrorKind::NotConnected)));
        let endpoint = Endpoint::from_static("http://child");
        let connector = tower::ServiceExt::map_err(connector, std::io::Error::from);
        let channel = endpoint.connect_with_connector(connector).await.expect("a connection");
        Self { channel, child }
    }

    async fn echo(&self, data: Bytes) -> Bytes {
        self.unary(ECHO, Data { data }).await.data
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    async fn stop(self) {
        let Self { channel, child } = self;
        drop(channel);
        raw_tokio::wait(child).await;
    }
}

impl Describe for Tonic {
    async fn describe(&self, record: Record) -> Record {
        self.unary(DESCRIBE, RecordMessage::from(record)).await.into()
    }
}

impl Streams for Tonic {
    async fn receive(&self, items: Items) -> Instant {
        let request = Request::new(ItemsMessage { count: items.count, bytes: items.bytes });
        let codec = ProstCodec::<ItemsMessage, Data>::default();
        let path = PathAndQuery::from_static(RECEIVE);
        let reply = self.client().await.server_streaming(request, path, codec).await;
        let mut received = reply.expect("a stream").into_inner();
        items.take_all(async || received.message().await.expect("items").is_some()).await
    }

    async fn send(&self, items: Items) {
        let request = Request::new(stream::iter(items.iter().map(|data| Data { data })));
        let codec = ProstCodec::<Data, Count>::default();
        let path = PathAndQuery::from_static(SEND);
        let reply = self.client().await.client_streaming(request, path, codec).await;
        items.assert_all(reply.expect("a count").into_inner().count);
    }

    async fn call_back(&self, _: u32) {
        panic!("a server does not call its client")
    }
}

pub async fn serve() {
    std::thread::spawn(end_with_host);
    let stream: UnixStream = raw_tokio::on_tokio(raw_std::stream());
    // The server would end if the stream of connections ended.
    let only = stream::once(ready(Ok::<_, std::io::Error>(stream))).chain(stream::pending());
    Server::builder().add_service(TonicEcho).serve_with_incoming(only).await.expect("it serves");
}

/// Ends the process when its only connection ends. The server would keep running.
fn end_with_host() {
    let stdin = std::io::stdin();
    let _ = poll(&mut [PollFd::new(&stdin, PollFlags::empty())], None);
    std::process::exit(0);
}
