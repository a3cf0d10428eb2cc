use bytes::Bytes;
use isolated_workers::codec::{Codec, Postcard};
use isolated_workers::host::{Builder, Link};
use isolated_workers::layer::{Layers, Middleware, NoLayers, Stack};
use isolated_workers::protocol::{Request, Response};
use isolated_workers::{Error, Program, Service, Worker};

use super::Ours;
use crate::contestant::Contestant;
use crate::flavor::Flavor;
use crate::service::BenchClient;

/// Middleware that does nothing.
pub struct Empty;

impl Middleware for Empty {
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        next.call(request).await
    }
}

/// A number of empty layers.
pub trait Depth: Layers + Sized {
    fn layers() -> Self;

    fn around<C: Codec, T>(builder: Builder<Program, C, T>) -> Builder<Program, C, T, Self>;
}

impl Depth for NoLayers {
    fn layers() -> Self {
        Self
    }

    fn around<C: Codec, T>(builder: Builder<Program, C, T>) -> Builder<Program, C, T> {
        builder
    }
}

impl<L: Depth> Depth for Stack<L, Empty> {
    fn layers() -> Self {
        Self::new(L::layers(), Empty)
    }

    fn around<C: Codec, T>(builder: Builder<Program, C, T>) -> Builder<Program, C, T, Self> {
        L::around(builder).layer(Empty)
    }
}

pub type One<L = NoLayers> = Stack<L, Empty>;
pub type Four<L = NoLayers> = One<One<One<One<L>>>>;
pub type Eight = Four<Four>;

type Bare = Worker<Link<Postcard>>;

/// Our stack with `L` around a worker that other contestants may share.
pub struct Layered<L: Depth> {
    client: BenchClient<L::Service<Bare>>,
    worker: Bare,
}

impl<L: Depth> Layered<L> {
    pub fn over(worker: Bare) -> Self {
        Self { client: BenchClient::new(L::layers().wrap(worker.clone())), worker }
    }
}

impl<L: Depth> Contestant for Layered<L> {
    async fn start(flavor: Flavor) -> Self {
        Self::over(Ours::start(flavor).await.worker)
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
