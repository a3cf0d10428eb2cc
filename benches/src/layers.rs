//! What empty middleware costs.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use isolated_workers::{Error, Middleware, Postcard, Program, Request, Response, Service, Worker};

use crate::service::WorkClient;

/// Does nothing.
struct Empty;

impl Middleware for Empty {
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        next.call(request).await
    }
}

const BODY: &[u8] = &[7; 64];

/// How many calls a round makes one after the other, and how many at once.
const ROUND: usize = 2_000;
const AT_ONCE: usize = 256;

async fn one_after_another<S: Service>(client: &WorkClient<S>, calls: usize) -> Result<Duration, Error> {
    let start = Instant::now();
    for _ in 0..calls {
        client.echo(Bytes::from_static(BODY)).await?;
    }
    Ok(start.elapsed())
}

async fn at_once<S: Service>(client: &WorkClient<S>, calls: usize) -> Result<Duration, Error> {
    let start = Instant::now();
    let callers = (0..AT_ONCE).map(|_| async {
        for _ in 0..calls / AT_ONCE {
            client.echo(Bytes::from_static(BODY)).await?;
        }
        Ok::<_, Error>(())
    });
    join_all(callers).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(start.elapsed())
}

macro_rules! stack {
    ($builder:expr, $($empty:expr),*) => { $builder$(.layer($empty))*.spawn().await? };
}

fn builder() -> Result<isolated_workers::Builder<Program, Postcard>, Error> {
    Ok(Worker::builder(Program::current_exe()?).codec(Postcard))
}

/// Alternating rounds with each stack.
pub async fn measure(rounds: usize) -> Result<(), Error> {
    let none = WorkClient::new(stack!(builder()?,));
    let one = WorkClient::new(stack!(builder()?, Empty));
    let four = WorkClient::new(stack!(builder()?, Empty, Empty, Empty, Empty));
    let eight = WorkClient::new(stack!(builder()?, Empty, Empty, Empty, Empty, Empty, Empty, Empty, Empty));
    let mut times: [[Vec<Duration>; 4]; 2] = Default::default();
    for _ in 0..rounds {
        times[0][0].push(one_after_another(&none, ROUND).await?);
        times[0][1].push(one_after_another(&one, ROUND).await?);
        times[0][2].push(one_after_another(&four, ROUND).await?);
        times[0][3].push(one_after_another(&eight, ROUND).await?);
        times[1][0].push(at_once(&none, 10 * ROUND).await?);
        times[1][1].push(at_once(&one, 10 * ROUND).await?);
        times[1][2].push(at_once(&four, 10 * ROUND).await?);
        times[1][3].push(at_once(&eight, 10 * ROUND).await?);
    }
    for (what, times) in ["one after the other", "256 at once"].into_iter().zip(times) {
        let medians = times.map(|mut times| {
            times.sort_unstable();
            times[times.len() / 2].as_secs_f64()
        });
        let [_, one, four, eight] = medians.map(|median| median / medians[0]);
        println!(
            "{what:20} 0 layers 1.000x   1 layer {one:.3}x   4 layers {four:.3}x   8 layers {eight:.3}x"
        );
    }
    Ok(())
}

/// Makes so many calls one after the other and so many at once, through so many layers, and ends the worker by itself: for
/// a profiler, which wants to see its end.
pub async fn calls(layers: usize, in_a_row: usize, at_once: usize) -> Result<(), Error> {
    macro_rules! run {
        ($($empty:expr),*) => {{
            let worker = stack!(builder()?, $($empty),*);
            let client = WorkClient::new(worker.clone());
            one_after_another(&client, in_a_row).await?;
            self::at_once(&client, at_once).await?;
            worker.close().await
        }};
    }
    match layers {
        0 => run!(),
        1 => run!(Empty),
        4 => run!(Empty, Empty, Empty, Empty),
        _ => run!(Empty, Empty, Empty, Empty, Empty, Empty, Empty, Empty),
    }
}
