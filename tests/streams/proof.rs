//! Measurements of streams. They need a release build and an idle machine, so they are ignored by
//! default:
//!
//! ```text
//! cargo test --release -p isolated-workers-tests --test streams proof -- --ignored --nocapture --test-threads 1
//! ```

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use isolated_workers::codec::Postcard;
use isolated_workers::host::Link;
use isolated_workers::{Program, Worker};
use isolated_workers_test_support::process::{peak_resident_kib, peak_resident_kib_of};

use crate::services::NumbersClient;

type PostcardWorker = Worker<Link<Postcard>>;

async fn started() -> (PostcardWorker, NumbersClient<PostcardWorker>) {
    let program = Program::new(env!("CARGO_BIN_EXE_streams-worker")).arg("postcard");
    let worker = Worker::builder(program).codec(Postcard).spawn().await.unwrap();
    (worker.clone(), NumbersClient::new(worker))
}

#[tokio::test]
#[ignore = "takes 10 GB through a stream; run it as the comment of the file says"]
async fn ten_gigabytes_through_a_stream_take_less_than_a_megabyte_of_memory() {
    const ITEM_BYTES: usize = 64 << 10;
    let (worker, numbers) = started().await;
    let take = async |bytes: usize| {
        let count = bytes / ITEM_BYTES;
        let mut blobs = numbers.blobs(count.try_into().unwrap(), ITEM_BYTES);
        for _ in 0..count {
            assert_eq!(blobs.next().await.unwrap().unwrap().len(), ITEM_BYTES);
        }
        assert!(blobs.next().await.is_none());
    };
    let peaks = || [peak_resident_kib(), peak_resident_kib_of(worker.pid())];
    take(64 << 20).await;
    let (before, start) = (peaks(), Instant::now());
    take(10_000 << 20).await;
    let (after, took) = (peaks(), start.elapsed());
    println!("10,000 MiB in {took:.1?}; peak KiB of host and worker: {before:?} before, {after:?} after");
    for (before, after) in before.into_iter().zip(after) {
        assert!(after <= before + 1024, "{before} KiB before, {after} KiB after");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures latencies; run it as the comment of the file says"]
async fn a_stream_that_nobody_polls_delays_no_other_one() {
    const ROUNDS: usize = 7;
    let (_worker, numbers) = started().await;
    let mut best = [[Duration::MAX; 2]; 2];
    for _ in 0..ROUNDS {
        for (is_stalled, best) in best.iter_mut().enumerate() {
            let mut unpolled = numbers.count(u64::MAX);
            if is_stalled == 1 {
                unpolled.next().await.unwrap().unwrap();
            }
            for (best, measured) in best.iter_mut().zip(latencies(&numbers).await) {
                *best = measured.min(*best);
            }
        }
    }
    let [polled, stalled] = best;
    println!(
        "99th percentile of an item and of a call: {polled:?}, beside a stream that nobody polls {stalled:?}"
    );
    for (polled, stalled) in polled.into_iter().zip(stalled) {
        assert!(stalled <= polled.mul_f64(1.3), "{stalled:?} beside a stalled stream, {polled:?} without");
    }
}

/// Returns the 99th percentile of the wait for an item of 99 streams, and of a call beside them.
async fn latencies(numbers: &NumbersClient<PostcardWorker>) -> [Duration; 2] {
    const STREAMS: usize = 99;
    const ITEMS: usize = 5_000;
    let has_ended = Arc::new(AtomicBool::new(false));
    let calls = tokio::spawn({
        let (numbers, has_ended) = (numbers.clone(), Arc::clone(&has_ended));
        async move {
            let mut latencies = Vec::new();
            while !has_ended.load(Ordering::Relaxed) {
                let start = Instant::now();
                numbers.add(1, 2).await.unwrap();
                latencies.push(start.elapsed());
            }
            latencies
        }
    });
    let streams = (0..STREAMS).map(|_| {
        let numbers = numbers.clone();
        tokio::spawn(async move {
            let (mut items, mut latencies) = (numbers.count(u64::MAX), Vec::with_capacity(ITEMS));
            for _ in 0..ITEMS {
                let start = Instant::now();
                items.next().await.unwrap().unwrap();
                latencies.push(start.elapsed());
            }
            latencies
        })
    });
    let items = join_all(streams).await.into_iter().flat_map(Result::unwrap).collect();
    has_ended.store(true, Ordering::Relaxed);
    [percentile(items), percentile(calls.await.unwrap())]
}

fn percentile(mut latencies: Vec<Duration>) -> Duration {
    latencies.sort_unstable();
    latencies[latencies.len() * 99 / 100]
}
