use std::marker::PhantomData;

use bytes::Bytes;
use isolated_workers::codec::{Cbor, Codec, Compressed, Json, Postcard};
use isolated_workers::host::{Builder, Latency, Link};
use isolated_workers::protocol::Limits;
use isolated_workers::transport::{DefaultTransport, Transport};
use isolated_workers::{Program, Worker};

use super::{DefaultOptions, Frugal, StartOptions, WithoutHandshake};
use crate::contestant::{Contestant, Describe, PendingCall};
use crate::flavor::Flavor;
use crate::service::{self, Bench as _, BenchClient, Record};

/// The whole stack as a user has it: typed client, budgets, timeouts, cancellation, supervision.
pub struct Stack<C: Codec, T: Transport = DefaultTransport, W = DefaultOptions> {
    pub worker: Worker<Link<C>, T>,
    pub client: BenchClient<Worker<Link<C>, T>>,
    options: PhantomData<W>,
}

pub type Ours = Stack<Postcard>;

/// A codec that the host can select for the child.
pub trait CodecChoice: Codec + Default {
    const ARGUMENT: &str;
}

impl CodecChoice for Postcard {
    const ARGUMENT: &str = "postcard";
}

impl CodecChoice for Cbor {
    const ARGUMENT: &str = "cbor";
}

impl CodecChoice for Json {
    const ARGUMENT: &str = "json";
}

impl CodecChoice for Compressed<Postcard> {
    const ARGUMENT: &str = "compressed";
}

impl Ours {
    pub const CHILD: &str = "ours";
}

impl<C: CodecChoice, T: Transport + Default, W: StartOptions> Stack<C, T, W> {
    fn builder(flavor: Flavor) -> Builder<Program, C, T> {
        let program = W::program(W::child().args([Ours::CHILD, flavor.name(), C::ARGUMENT, W::NAME]));
        let builder = Worker::builder(program).transport(T::default()).codec(C::default());
        W::builder(builder.limits(limits()))
    }
}

/// Raises the limits for the largest bodies. The default is 8 MiB per frame.
pub fn limits() -> Limits {
    Limits::default().frame(300 << 20).decoded(300 << 20)
}

impl<C: CodecChoice, T: Transport + Default, W: StartOptions> Contestant for Stack<C, T, W> {
    async fn start(flavor: Flavor) -> Self {
        let worker = Self::builder(flavor).spawn().await.expect("a worker");
        Self { client: BenchClient::new(worker.clone()), worker, options: PhantomData }
    }

    async fn echo(&self, data: Bytes) -> Bytes {
        self.client.echo(data).await.expect("an echo")
    }

    fn pid(&self) -> u32 {
        self.worker.pid()
    }

    async fn stop(self) {
        self.worker.close().await.expect("a worker that is closed ends");
    }
}

impl<C: CodecChoice, T: Transport + Default, W: StartOptions> Describe for Stack<C, T, W> {
    async fn describe(&self, record: Record) -> Record {
        self.client.describe(record).await.expect("a record")
    }
}

impl PendingCall for Ours {
    async fn pending(&self) {
        let _ = self.client.wait().await;
    }
}

/// Serves with the codec and the options that the host has named.
pub async fn serve(codec: Option<&str>, options: Option<&str>) {
    match codec {
        Some(Cbor::ARGUMENT) => serve_with::<Cbor>(options).await,
        Some(Json::ARGUMENT) => serve_with::<Json>(options).await,
        Some(<Compressed<Postcard>>::ARGUMENT) => serve_with::<Compressed<Postcard>>(options).await,
        _ => serve_with::<Postcard>(options).await,
    }
}

async fn serve_with<C: CodecChoice>(options: Option<&str>) {
    let serve =
        isolated_workers::serve(service::BenchWorker.into_service()).codec(C::default()).limits(limits());
    let serve = match options {
        Some(WithoutHandshake::NAME) => serve.without_handshake(),
        Some(Frugal::NAME) => serve.latency(Latency::Frugal),
        _ => serve,
    };
    serve.await.expect("it serves until its host is gone");
}
