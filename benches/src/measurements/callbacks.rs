//! The time of a callback, next to that of a call over the same connection.

use std::time::{Duration, Instant};

use bytes::Bytes;
use isolated_workers::codec::Postcard;
use isolated_workers::{Error, Program, Service, Worker};

use crate::service::{Bench, BenchClient, BenchWorker};

/// Number of calls or callbacks in a turn.
const CALLS: u32 = 2_000;

const BODY: &[u8] = &[7; 64];

/// Measures calls, calls to a worker whose host serves, and callbacks, in turns.
pub async fn measure(turns: usize) -> Result<(), Error> {
    let builder = || Ok::<_, Error>(Worker::builder(Program::current_exe()?).codec(Postcard));
    let plain = BenchClient::new(builder()?.spawn().await?);
    let served = BenchClient::new(builder()?.serve(BenchWorker.into_service()).spawn().await?);
    let (mut calls, mut served_calls, mut callbacks) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..turns {
        calls.push(one_after_another(&plain).await?);
        served_calls.push(one_after_another(&served).await?);
        let start = Instant::now();
        served.call_back(CALLS).await?;
        callbacks.push(start.elapsed() / CALLS);
    }
    let (call, served_call, callback) = (median(calls), median(served_calls), median(callbacks));
    let ratio = |time: Duration| time.as_secs_f64() / call.as_secs_f64();
    println!("call of 64 B                          {call:?}");
    println!("the same, to a host that serves       {served_call:?} ({:.2}x)", ratio(served_call));
    println!("callback of 64 B                      {callback:?} ({:.2}x)", ratio(callback));
    plain.service().close().await?;
    served.service().close().await
}

async fn one_after_another<S: Service>(client: &BenchClient<S>) -> Result<Duration, Error> {
    let start = Instant::now();
    for _ in 0..CALLS {
        client.echo(Bytes::from_static(BODY)).await?;
    }
    Ok(start.elapsed() / CALLS)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
