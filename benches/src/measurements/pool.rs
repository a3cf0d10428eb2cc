//! A pool: the cost of dispatch, tasks per second, start and recovery.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use isolated_workers::codec::Postcard;
use isolated_workers::pool::Dispatch;
use isolated_workers::{Error, Pool, Program};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::contestant::Contestant;
use crate::contestants::{Ours, Pooled};
use crate::figures::{Distribution, Figures};
use crate::flavor::Flavor::CurrentThread;
use crate::round::figure_of;
use crate::row::Row;
use crate::service::{BenchClient, compute};
use crate::table::{Layout, Table};
use crate::usage;
use crate::work::Work;

const SIZES: [usize; 4] = [1, 2, 4, 8];

/// Computing time of a task, in microseconds.
const TASK_MICROS: [u32; 2] = [0, 1000];

pub fn measure(rounds: usize) -> Result<(), Error> {
    println!("{}", dispatch(rounds));
    tasks();
    CurrentThread.runtime().block_on(async {
        let start = Instant::now();
        let pool = pool(8, 1).await?;
        println!("\nstart of 8 workers: {:.2} ms", start.elapsed().as_secs_f64() * 1e3);
        pool.close().await?;
        recovery(rounds).await
    })
}

/// Prints tasks per second, next to other pools and next to threads of this process. The threads
/// show the cost without isolation.
fn tasks() {
    let piscina = Piscina::install();
    if let Err(why) = &piscina {
        println!("\nskipped: piscina: {why}");
    }
    println!("\n| tasks per second | 1 worker | 2 | 4 | 8 |\n|---|---:|---:|---:|---:|");
    for micros in TASK_MICROS {
        let tasks = if micros == 0 { 50_000 } else { 3_000 };
        let row = |name: &str, rate: &dyn Fn(usize) -> Option<f64>| {
            let rates =
                SIZES.map(|workers| rate(workers).map_or("-".to_owned(), |rate| format!("{rate:.0}")));
            println!("| {micros} µs, {name} | {} |", rates.join(" | "));
        };
        row("pool", &|workers| Some(ours(workers, micros, tasks)));
        row("ProcessPoolExecutor", &|workers| python(workers, micros, tasks / 5));
        if let Ok(piscina) = &piscina {
            row("piscina (threads)", &|workers| piscina.rate(workers, micros, tasks));
        }
        row("rayon (threads)", &|workers| Some(threads(workers, micros, tasks)));
    }
}

/// Measures a pool of one worker relative to the worker alone. Both take turns in one host.
pub fn dispatch(rounds: usize) -> Table {
    let rows = [
        Row::new("64 B, pinned", Work::Latency { bytes: 64, calls: 3_000 }).pinned(),
        Row::new("256 in flight", Work::Throughput { in_flight: 256, calls: 100_000 }).target(1.05),
        Row::new(QUEUED, Work::Throughput { in_flight: 256, calls: 50_000 }),
        Row::new(QUEUED_CPU, Work::Cpu { in_flight: 256, calls: 50_000 }),
    ];
    let columns = ["the worker alone", "a pool of one"];
    Table::measure_together("dispatch", Layout::Spread, &columns, &rows, rounds, turns)
}

/// Callers that wait for a worker with one call at a time, relative to calls one after the other.
const QUEUED: &str = "256 callers, one call at a time";
const QUEUED_CPU: &str = "256 callers, one call at a time: CPU time";

/// Number of turns of each in a round.
const TURNS: usize = 15;

fn turns(row: &Row) -> Vec<f64> {
    usage::pin(row.is_pinned);
    CurrentThread.runtime().block_on(async {
        let (work, max_in_flight) = match row.name {
            QUEUED => (Work::Throughput { in_flight: 1, calls: 20_000 }, 1),
            QUEUED_CPU => (Work::Cpu { in_flight: 1, calls: 20_000 }, 1),
            _ => (row.work, 1024),
        };
        let (alone, pooled) =
            (Ours::start(CurrentThread).await, Pooled::with(CurrentThread, max_in_flight).await);
        let mut figures = Vec::new();
        for _ in 0..TURNS {
            figures.push(figure_of(&alone, work).await.figure);
            figures.push(figure_of(&pooled, row.work).await.figure);
        }
        alone.stop().await;
        pooled.stop().await;
        figures
    })
}

type Workers = Pool<Dispatch<Postcard>>;

async fn pool(workers: usize, in_flight: u32) -> Result<Workers, Error> {
    let program = Program::current_exe()?.args([Ours::CHILD, CurrentThread.name()]);
    Pool::builder(program).codec(Postcard).workers(workers).max_in_flight(in_flight).spawn().await
}

/// Returns the tasks per second of our pool, with enough tasks in flight to keep every worker busy.
fn ours(workers: usize, micros: u32, tasks: usize) -> f64 {
    CurrentThread.runtime().block_on(rate(workers, micros, tasks)).expect("no task fails")
}

async fn rate(workers: usize, micros: u32, tasks: usize) -> Result<f64, Error> {
    let pool = pool(workers, if micros == 0 { 64 } else { 1 }).await?;
    let client = BenchClient::new(pool.clone());
    let mut running: FuturesUnordered<_> = (0..64 * workers).map(|_| client.compute(micros)).collect();
    let start = Instant::now();
    for _ in 0..tasks {
        running.next().await.expect("a task")?;
        running.push(client.compute(micros));
    }
    let rate = tasks as f64 / start.elapsed().as_secs_f64();
    while let Some(last) = running.next().await {
        last?;
    }
    pool.close().await?;
    Ok(rate)
}

/// Returns the tasks per second of Python's pool of processes. `None` if there is no Python.
fn python(workers: usize, micros: u32, tasks: usize) -> Option<f64> {
    let arguments = [workers, micros as usize, tasks].map(|number| number.to_string());
    printed(Command::new("python3").arg(script("process_pool.py")).args(arguments))
}

/// Node's pool of threads, installed in a temporary directory.
struct Piscina(TempDir);

impl Piscina {
    const PACKAGE: &str = "piscina@5";

    fn install() -> Result<Self, String> {
        let dir = TempDir::new().map_err(|error| error.to_string())?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--silent", "--no-audit", "--no-fund", Self::PACKAGE]).current_dir(&dir);
        let output = npm.output().map_err(|error| format!("could not run npm: {error}"))?;
        if !output.status.success() {
            return Err(format!("npm failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
        Ok(Self(dir))
    }

    fn rate(&self, workers: usize, micros: u32, tasks: usize) -> Option<f64> {
        let arguments = [workers, micros as usize, tasks].map(|number| number.to_string());
        printed(Command::new("node").arg(script("piscina.mjs")).arg(self.0.path()).args(arguments))
    }
}

fn script(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(file)
}

/// Returns the number that a program prints. `None` if it cannot be started or fails.
fn printed(program: &mut Command) -> Option<f64> {
    Figures::printed_by(program)?.0.pop()
}

/// Returns the tasks per second of threads of this process. Nothing is isolated or sent.
fn threads(workers: usize, micros: u32, tasks: usize) -> f64 {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(workers).build().expect("threads");
    let start = Instant::now();
    pool.scope(|scope| {
        for _ in 0..tasks {
            scope.spawn(|_| compute(Duration::from_micros(micros.into())));
        }
    });
    tasks as f64 / start.elapsed().as_secs_f64()
}

/// Prints the time from the kill of the only worker to the first answer of its replacement.
async fn recovery(rounds: usize) -> Result<(), Error> {
    let mut times = Vec::new();
    for _ in 0..10 * rounds {
        let pool = pool(1, 1).await?;
        let client = BenchClient::new(pool.clone());
        client.compute(0).await?;
        let pid = pool.stats().workers[0].pid.expect("a worker");
        let start = Instant::now();
        let pid = Pid::from_raw(pid.cast_signed()).expect("a pid is not 0");
        kill_process(pid, Signal::KILL)
            .expect("the worker is a child of this process and was not waited for");
        // The first call may fail because the worker is gone.
        while client.compute(0).await.is_err() {}
        times.push(start.elapsed());
        pool.close().await?;
    }
    println!("kill of the only worker -> next answer: {}", Distribution::of(times));
    Ok(())
}
