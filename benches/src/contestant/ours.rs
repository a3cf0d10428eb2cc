use bytes::Bytes;
use isolated_workers::{Builder, Limits, Link, Postcard, Program, Worker};

use super::Contestant;
use crate::flavor::Flavor;
use crate::service::{self, Work as _, WorkClient};

/// The whole stack, as a user has it: typed stub, budgets, timeouts, cancellation, supervision.
pub struct Ours {
    worker: Worker<Link<Postcard>>,
    client: WorkClient<Worker<Link<Postcard>>>,
}

impl Ours {
    pub const CHILD: &str = "ours";

    pub fn builder(flavor: Flavor) -> Builder<Program, Postcard> {
        let program = Program::current_exe().expect("this program").args([Self::CHILD, flavor.name()]);
        Worker::builder(program).codec(Postcard).limits(limits())
    }
}

/// The default is 8 MiB a frame.
pub fn limits() -> Limits {
    Limits::default().frame(300 << 20).decoded(300 << 20)
}

impl Contestant for Ours {
    async fn start(flavor: Flavor) -> Self {
        let worker = Self::builder(flavor).spawn().await.expect("a worker");
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

pub async fn serve() {
    let serve = isolated_workers::serve(service::Worker.into_service()).codec(Postcard).limits(limits());
    serve.await.expect("it serves until its host is gone");
}
