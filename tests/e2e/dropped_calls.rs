use std::task::Poll;

use futures_util::future::join_all;
use futures_util::poll;
use isolated_workers::Service;
use isolated_workers_test_support::count_from_env;
use tokio::task::yield_now;

use super::*;

/// Number of calls that are dropped.
fn many() -> u32 {
    count_from_env("ISOLATED_WORKERS_DROPS", 4000)
}

const CALLERS: u32 = 16;

/// Pseudo-random numbers that are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Polls a call up to seven times, and drops it if it is still pending. Awaits it if `is_wanted`.
async fn drop_call<T>(random: &mut Random, call: impl Future<Output = T>, is_wanted: bool) -> Option<T> {
    let mut call = Box::pin(call);
    if is_wanted {
        return Some(soon(call).await);
    }
    for _ in 0..random.below(8) {
        match poll!(&mut call) {
            Poll::Ready(answer) => return Some(answer),
            Poll::Pending => yield_now().await,
        }
    }
    None
}

async fn drop_calls<S: Service>(client: &FaultsClient<S>, seed: u32, calls: u32) {
    let mut random = Random(u64::from(seed));
    for call in 0..calls {
        if call % 4 == 0 {
            // `wait` never returns.
            assert!(drop_call(&mut random, client.wait(), false).await.is_none());
            continue;
        }
        // A large body takes several writes.
        let size = if random.below(64) == 0 { 300_000 } else { random.below(200) as usize };
        let data = vec![call as u8; size];
        if let Some(answer) = drop_call(&mut random, client.echo(data.clone().into()), call % 16 == 1).await {
            assert!(answer.unwrap() == data, "the reply of another call");
        }
    }
}

#[tokio::test]
async fn calls_dropped_at_any_poll_leave_nothing_in_flight() {
    let (worker, client) = started_binary().await;
    join_all((0..CALLERS).map(|seed| drop_calls(&client, seed, many() / CALLERS))).await;
    until_waiting(&client, 0).await;
    // `drain` would hang if a call were still in flight.
    soon(worker.drain()).await.unwrap();
}
