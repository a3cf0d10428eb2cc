//! Many machines of one fleet, each with a connection of its own, in this process.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use isolated_workers::codec::Json;
use isolated_workers::service::Local;
use isolated_workers_nats::{self as nats, Remote, async_nats};

use crate::{Failure, Load, LoadClient, Worker, load, server};

/// Length of the calls that machines name to their caller.
const LONG_CALL: Duration = Duration::from_secs(5);
/// Part of it in which messages are counted.
const COUNTED: Duration = Duration::from_secs(3);
const SHORT_CALLS: u64 = 20_000;

pub(crate) async fn measure(counts: &[usize]) -> Result<(), Failure> {
    for &count in counts {
        fleet(count).await?;
    }
    Ok(())
}

async fn fleet(count: usize) -> Result<(), Failure> {
    let server = server::Server::start().await.ok_or("there is no nats-server; run .ci/fleet")?;
    let url = server.url();
    let began = Instant::now();
    let starts = futures_util::stream::iter(0..count).map(async |_| {
        let client = async_nats::connect(&url).await?;
        let service = Local::new(Worker.into_service(), Json);
        let machine =
            nats::serve(service, client.clone(), "many").service(load::SCHEMA).max_in_flight(2).await?;
        Ok::<_, Failure>((client, machine))
    });
    let machines: Vec<_> =
        starts.buffer_unordered(32).collect::<Vec<_>>().await.into_iter().collect::<Result<_, _>>()?;
    println!("\n{count} machines: started in {:?}, server {} KiB", began.elapsed(), memory(server.pid()));

    let caller = async_nats::connect(&url).await?;
    let fleet = LoadClient::new(Remote::connect(caller.clone(), "many").await?);
    let began = Instant::now();
    let calls =
        futures_util::stream::iter(0..SHORT_CALLS).map(|number| fleet.echo(number)).buffer_unordered(64);
    let failed = calls.filter(|answer| std::future::ready(answer.is_err())).count().await;
    let rate = SHORT_CALLS as f64 / began.elapsed().as_secs_f64();
    println!("short calls, 64 in flight: {rate:.0} a second, {failed} failed");

    let long = futures_util::stream::iter(0..count).map(|_| fleet.wait(LONG_CALL.as_millis() as u64));
    let counted = async {
        // The calls begin, and each is named for the first time.
        tokio::time::sleep((LONG_CALL - COUNTED) / 2).await;
        let before = caller.statistics().in_messages.load(Ordering::Relaxed);
        tokio::time::sleep(COUNTED).await;
        (caller.statistics().in_messages.load(Ordering::Relaxed) - before) as f64 / COUNTED.as_secs_f64()
    };
    let (answers, beats) = futures_util::join!(long.buffer_unordered(count).collect::<Vec<_>>(), counted);
    let failed = answers.iter().filter(|answer| answer.is_err()).count();
    println!(
        "{count} calls of {LONG_CALL:?} at once: {beats:.0} beats a second at their caller, {failed} failed"
    );
    drop(machines);
    Ok(())
}

/// Resident memory of a process in KiB. 0 if the system does not tell.
fn memory(pid: Option<u32>) -> u64 {
    let status = pid.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/status")).ok());
    let line =
        status.as_deref().and_then(|status| status.lines().find_map(|line| line.strip_prefix("VmRSS:")));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
