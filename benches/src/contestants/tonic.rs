use std::convert::Infallible;
use std::process::Child;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::{BoxFuture, Ready, ready};
use futures_util::stream::{self, StreamExt};
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use rustix::event::{PollFd, PollFlags, poll};
use tokio::net::UnixStream;
use tonic::body::Body;
use tonic::server::{NamedService, UnaryService};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;
use tower::Service;

use super::{raw_std, raw_tokio};
use crate::contestant::Contestant;
use crate::flavor::Flavor;

/// A unary method of tonic whose message is bytes. It is written by hand as the generator would
/// write it, because Cargo cannot install the generator.
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

const PATH: &str = "/benches.Echo/Echo";

/// Largest message. The default is 4 MiB.
const MAX_MESSAGE_BYTES: usize = 300 << 20;

#[derive(Clone)]
struct TonicEcho;

impl NamedService for TonicEcho {
    const NAME: &'static str = "benches.Echo";
}

impl UnaryService<Data> for TonicEcho {
    type Response = Data;
    type Future = Ready<Result<Response<Data>, Status>>;

    fn call(&mut self, request: Request<Data>) -> Self::Future {
        ready(Ok(Response::new(request.into_inner())))
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
        Box::pin(async {
            let codec = ProstCodec::<Data, Data>::default();
            let mut grpc = tonic::server::Grpc::new(codec).max_decoding_message_size(MAX_MESSAGE_BYTES);
            Ok(grpc.unary(TonicEcho, request).await)
        })
    }
}

impl Contestant for Tonic {
    async fn start(flavor: Flavor) -> Self {
        let (own, childs) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
        let child = raw_std::spawn(Self::CHILD, flavor, childs.into());
        let mut stream = Some(TokioIo::new(raw_tokio::on_tokio(own)));
        let connector =
            tower::service_fn(move |_| ready(stream.take().ok_or(std::io::ErrorKind::NotConnected)));
        let endpoint = Endpoint::from_static("http://child");
        let connector = tower::ServiceExt::map_err(connector, std::io::Error::from);
        let channel = endpoint.connect_with_connector(connector).await.expect("a connection");
        Self { channel, child }
    }

    async fn echo(&self, data: Bytes) -> Bytes {
        let mut grpc =
            tonic::client::Grpc::new(self.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
        grpc.ready().await.expect("a connection");
        let codec = ProstCodec::<Data, Data>::default();
        let reply = grpc.unary(Request::new(Data { data }), PathAndQuery::from_static(PATH), codec).await;
        reply.expect("an echo").into_inner().data
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
