//! The time of a call, and calls a second with many in flight.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use isolated_workers::prelude::*;
use isolated_workers_nats::{Remote, async_nats};

use crate::process::{BARE, IN_FLIGHT, WORKERS, start};
use crate::{Failure, LoadClient, server};

const ROUNDS: usize = 7;
/// Calls of a round, one at a time.
const CALLS: u64 = 5_000;
/// Calls of a round with many in flight.
const MANY_CALLS: u64 = 50_000;
const AT_ONCE: usize = 256;
/// Work of a call of the fleet.
const WORK_MICROSECONDS: u64 = 100;

pub(crate) async fn measure() -> Result<(), Failure> {
    let server = server::Server::start().await.ok_or("there is no nats-server; run .ci/fleet")?;
    let url = server.url();
    let client = async_nats::connect(&url).await?;

    let _bare = start("bare", &url).await?;
    let _local = start("local", &url).await?;
    let fleet = LoadClient::new(Remote::connect(client.clone(), "local").await?);
    let bare = async |number: u64| {
        let reply = client.request(BARE, number.to_string().into()).await?;
        Ok::<_, Failure>(std::str::from_utf8(&reply.payload)?.parse::<u64>()?)
    };
    let ours = async |number: u64| Ok::<_, Failure>(fleet.echo(number).await?);
    let (mut alone, mut many) = (Vec::new(), Vec::new());
    // Both in each round, so that what disturbs one disturbs the other.
    for _ in 0..ROUNDS {
        alone.push([run(&bare, CALLS, 1).await?, run(&ours, CALLS, 1).await?]);
        many.push([run(&bare, MANY_CALLS, AT_ONCE).await?, run(&ours, MANY_CALLS, AT_ONCE).await?]);
    }
    report("one call at a time", CALLS, &alone);
    report(&format!("{AT_ONCE} in flight"), MANY_CALLS, &many);

    println!(
        "\n{WORKERS} workers a pool, {IN_FLIGHT} calls each, {WORK_MICROSECONDS} us of work, {AT_ONCE} in flight:"
    );
    let pool =
        Pool::builder(Program::current_exe()?).workers(WORKERS).max_in_flight(IN_FLIGHT).spawn().await?;
    let work = LoadClient::new(pool.clone());
    let pooled = async |_| Ok::<_, Failure>(work.compute(WORK_MICROSECONDS).await?);
    println!(
        "a pool of this machine: {:.0} calls a second",
        rate(run(&pooled, MANY_CALLS / 5, AT_ONCE).await?)
    );
    pool.close().await?;
    let mut machines = Vec::new();
    for count in 1..=3 {
        machines.push(start("pool", &url).await?);
        let work = LoadClient::new(Remote::connect(client.clone(), "pool").await?);
        let spread = async |_| Ok::<_, Failure>(work.compute(WORK_MICROSECONDS).await?);
        let took = run(&spread, MANY_CALLS / 5, AT_ONCE).await?;
        println!("a fleet of {count} such pools: {:.0} calls a second", rate(took));
    }
    Ok(())
}

fn rate(took: Duration) -> f64 {
    (MANY_CALLS / 5) as f64 / took.as_secs_f64()
}

/// Makes `calls` calls, `at_once` at a time.
async fn run(
    call: &impl AsyncFn(u64) -> Result<u64, Failure>,
    calls: u64,
    at_once: usize,
) -> Result<Duration, Failure> {
    let (began, next) = (Instant::now(), AtomicU64::new(0));
    let callers = (0..at_once).map(async |_| {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= calls {
                return Ok::<_, Failure>(());
            }
            call(number).await?;
        }
    });
    try_join_all(callers).await?;
    Ok(began.elapsed())
}

/// Prints the medians, and the median of the ratios of each round.
fn report(title: &str, calls: u64, rounds: &[[Duration; 2]]) {
    let each = |took: Duration| took.as_secs_f64() * 1e6 / calls as f64;
    let bare = median(rounds.iter().map(|[bare, _]| each(*bare)));
    let ours = median(rounds.iter().map(|[_, ours]| each(*ours)));
    let ratio = median(rounds.iter().map(|[bare, ours]| ours.as_secs_f64() / bare.as_secs_f64()));
    println!("{title}: async-nats {bare:.2} us a call, this crate {ours:.2} us, ratio {ratio:.2}");
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
