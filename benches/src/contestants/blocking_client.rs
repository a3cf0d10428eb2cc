use bytes::Bytes;
use isolated_workers::blocking;
use isolated_workers::codec::Postcard;
use isolated_workers::host::Link;
use isolated_workers::{Program, Worker};

use super::Ours;
use super::ours::{CodecChoice, limits};
use crate::contestant::Contestant;
use crate::flavor::Flavor;
use crate::service::BenchBlockingClient;

/// The blocking client of our stack. Its calls wait on the thread that makes them.
pub struct BlockingClient {
    worker: blocking::Worker<Link<Postcard>>,
    client: BenchBlockingClient<blocking::Worker<Link<Postcard>>>,
}

impl Contestant for BlockingClient {
    async fn start(flavor: Flavor) -> Self {
        let program = Program::current_exe().expect("this program");
        let program = program.args([Ours::CHILD, flavor.name(), Postcard::ARGUMENT]);
        let builder = Worker::builder(program).codec(Postcard).limits(limits());
        let worker = blocking::Worker::spawn(builder).expect("a worker");
        Self { client: BenchBlockingClient::new(worker.clone()), worker }
    }

    async fn echo(&self, data: Bytes) -> Bytes {
        self.client.echo(data).expect("an echo")
    }

    fn pid(&self) -> u32 {
        self.worker.pid()
    }

    async fn stop(self) {
        self.worker.close().expect("a worker that is closed ends");
    }
}
