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

/// Numbers that look like chance, the same in each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// Polls a call a few times, and gives it up where it is not answered by then, unless it is wanted.
async fn drop_call<T>(chance: &mut Chance, call: impl Future<Output = T>, is_wanted: bool) -> Option<T> {
    let mut call = Box::pin(call);
    if is_wanted {
        return Some(soon(call).await);
    }
    for _ in 0..chance.below(8) {
        match poll!(&mut call) {
            Poll::Ready(answer) => return Some(answer),
            Poll::Pending => yield_now().await,
        }
    }
    None
}

async fn drop_calls<S: Service>(client: &FaultsClient<S>, seed: u32, calls: u32) {
    let mut chance = Chance(u64::from(seed));
    for call in 0..calls {
        if call % 4 == 0 {
            // Nobody answers this one.
            assert!(drop_call(&mut chance, client.wait(), false).await.is_none());
            continue;
        }
        // A large one leaves in several writes.
        let size = if chance.below(64) == 0 { 300_000 } else { chance.below(200) as usize };
        let data = vec![call as u8; size];
        if let Some(answer) = drop_call(&mut chance, client.echo(data.clone().into()), call % 16 == 1).await {
            assert!(answer.unwrap() == data, "another call's answer");
        }
    }
}

#[tokio::test]
async fn calls_dropped_at_any_poll_leave_nothing_in_flight() {
    let (worker, client) = started_binary().await;
    join_all((0..CALLERS).map(|seed| drop_calls(&client, seed, many() / CALLERS))).await;
    until_waiting(&client, 0).await;
    // QueueStats for whatever is in flight.
    soon(worker.drain()).await.unwrap();
}
