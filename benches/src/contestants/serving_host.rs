use std::time::Instant;

use bytes::Bytes;
use isolated_workers::codec::Postcard;
use isolated_workers::host::Link;
use isolated_workers::{Program, Worker};

use super::{Ours, ours};
use crate::contestant::{Contestant, Streams};
use crate::flavor::Flavor;
use crate::items::Items;
use crate::service::{Bench as _, BenchClient, BenchWorker};

/// Our stack with a host that serves its worker as well.
pub struct ServingHost {
    worker: Worker<Link<Postcard>>,
    client: BenchClient<Worker<Link<Postcard>>>,
}

impl Contestant for ServingHost {
    async fn start(flavor: Flavor) -> Self {
        let program = Program::current_exe().expect("this program").args([Ours::CHILD, flavor.name()]);
        let builder = Worker::builder(program).codec(Postcard).limits(ours::limits());
        let worker = builder.serve(BenchWorker.into_service()).spawn().await.expect("a worker");
        Self { client: BenchClient::new(worker.clone()), worker }
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

impl Streams for ServingHost {
    async fn receive(&self, items: Items) -> Instant {
        let mut received = self.client.items(items);
        let next = async || received.next().await.map(|item| item.expect("an item")).is_some();
        items.take_all(next).await
    }

    async fn send(&self, items: Items) {
        let sent = futures_util::stream::iter(items.iter());
        items.assert_all(self.client.count(sent).await.expect("a count"));
    }

    async fn call_back(&self, calls: u32) {
        self.client.call_back(calls).await.expect("callbacks");
    }
}
