use bytes::Bytes;
use isolated_workers::codec::Postcard;
use isolated_workers::pool::Dispatch;
use isolated_workers::{Pool, Program};

use super::{Ours, ours};
use crate::contestant::Contestant;
use crate::flavor::Flavor;
use crate::service::BenchClient;

/// A pool of one worker. Its cost above that of the worker alone is the cost of dispatch.
pub struct Pooled {
    pool: Pool<Dispatch<Postcard>>,
    client: BenchClient<Pool<Dispatch<Postcard>>>,
}

impl Pooled {
    /// Starts a pool whose worker gets this number of calls at a time.
    pub async fn with(flavor: Flavor, max_in_flight: u32) -> Self {
        let program = Program::current_exe().expect("this program").args([Ours::CHILD, flavor.name()]);
        let pool = Pool::builder(program)
            .codec(Postcard)
            .limits(ours::limits())
            .workers(1)
            .max_in_flight(max_in_flight);
        let pool = pool.spawn().await.expect("a pool");
        Self { client: BenchClient::new(pool.clone()), pool }
    }
}

impl Contestant for Pooled {
    async fn start(flavor: Flavor) -> Self {
        Self::with(flavor, 1024).await
    }

    async fn echo(&self, data: Bytes) -> Bytes {
        self.client.echo(data).await.expect("an echo")
    }

    fn pid(&self) -> u32 {
        self.pool.stats().workers[0].pid.expect("a worker")
    }

    async fn stop(self) {
        self.pool.close().await.expect("a pool that is closed ends");
    }
}
