use bytes::Bytes;
use isolated_workers::{
    Builder, Link, NamedPipe, NoLayers, Output, Platform, Postcard, Program, SocketPair, Stdio, Transport, Worker,
};

use super::{Choice, Contestant, Ours};
use crate::flavor::Flavor;
use crate::service::WorkClient;

/// Our stack, started in another way than the usual one.
pub struct Started<W: Way> {
    worker: Worker<Link<Postcard>, W::Transport>,
    client: WorkClient<Worker<Link<Postcard>, W::Transport>>,
}

type Start<T> = Builder<Program, Postcard, T, NoLayers>;

pub trait Way {
    type Transport: Transport;

    /// What the child is told of its codec, and its handshake.
    const CHOICE: &str = Postcard::CHOICE;

    fn start(program: Program) -> Start<Self::Transport>;
}

impl<W: Way> Contestant for Started<W> {
    async fn start(flavor: Flavor) -> Self {
        let program = Program::current_exe().expect("this program");
        let program = program.args([Ours::CHILD, flavor.name(), W::CHOICE]);
        let worker = W::start(program).spawn().await.expect("a worker");
        Self { client: WorkClient::new(worker.clone()), worker }
    }

    async fn echo(&self, data: Bytes) -> Bytes {
        self.client.echo(data).await.expect("an echo")
    }

    fn pid(&self) -> u32 {
        self.worker.pid()
    }

    async fn stop(self) {
        self.worker.close().await.expect("it ends when told to");
    }
}

pub struct OverPair;

impl Way for OverPair {
    type Transport = SocketPair;

    fn start(program: Program) -> Start<SocketPair> {
        Worker::builder(program).transport(SocketPair).codec(Postcard)
    }
}

pub struct OverStdio;

impl Way for OverStdio {
    type Transport = Stdio;

    fn start(program: Program) -> Start<Stdio> {
        Worker::builder(program).transport(Stdio).codec(Postcard)
    }
}

pub struct OverPipes;

impl Way for OverPipes {
    type Transport = NamedPipe;

    fn start(program: Program) -> Start<NamedPipe> {
        Worker::builder(program).transport(NamedPipe).codec(Postcard)
    }
}

/// What it writes to its standard error does not go through the host.
pub struct Unheard;

impl Way for Unheard {
    type Transport = Platform;

    fn start(program: Program) -> Start<Platform> {
        Worker::builder(program.stderr(Output::Inherit)).codec(Postcard)
    }
}

/// Without a handshake.
pub struct Unasked;

impl Way for Unasked {
    type Transport = Platform;
    const CHOICE: &str = "unasked";

    fn start(program: Program) -> Start<Platform> {
        Worker::builder(program).codec(Postcard).without_handshake()
    }
}
