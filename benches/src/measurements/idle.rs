//! CPU time and memory of workers that have nothing to do.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;

use crate::contestant::Contestant;
use crate::contestants::Ours;
use crate::flavor::Flavor::CurrentThread;
use crate::usage;

const WORKERS: [usize; 3] = [1, 100, 256];

/// Time after the last call, in which memory of calls is released.
const SETTLE: Duration = Duration::from_secs(3);

/// Prints the CPU time of `seconds` in which no call is made, and the private memory.
pub fn measure(seconds: usize) {
    println!("| workers | CPU time of the host | of all workers | memory of the host | of a worker |");
    println!("|---:|---:|---:|---:|---:|");
    for workers in WORKERS {
        CurrentThread.runtime().block_on(row(workers, Duration::from_secs(seconds as u64)));
    }
}

async fn row(count: usize, time: Duration) {
    let workers = join_all((0..count).map(|_| Ours::start(CurrentThread))).await;
    join_all(workers.iter().map(|worker| worker.echo(Bytes::from_static(&[7; 64])))).await;
    tokio::time::sleep(SETTLE).await;
    let host = std::process::id();
    let cpu = || [usage::cpu(host), workers.iter().map(|worker| usage::cpu(worker.pid())).sum()];
    let before = cpu();
    tokio::time::sleep(time).await;
    let [own, all] = std::array::from_fn(|at| (cpu()[at] - before[at]).as_secs_f64());
    let part = |spent: f64| format!("{:.1} ms ({:.3} %)", spent * 1e3, 100.0 * spent / time.as_secs_f64());
    let memory: u64 = workers.iter().map(|worker| usage::private(worker.pid())).sum();
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let (host_memory, each) = (mib(usage::private(host)), mib(memory / count as u64));
    println!("| {count} | {} | {} | {host_memory:.2} MiB | {each:.2} MiB |", part(own), part(all));
    join_all(workers.into_iter().map(Contestant::stop)).await;
}
