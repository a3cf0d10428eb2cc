use std::cell::RefCell;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::args::BenchArgs;
use crate::arguments::Arguments;
use crate::caller::PreparedCall;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::outgoing_call::Call;
use crate::output::Output;
use crate::target::Target;
use crate::{cpu_time, known_method};

/// Significant digits of a latency.
const DIGITS: u8 = 3;

/// Measures the latency of a method, for each number of calls in flight.
pub(crate) async fn run(args: BenchArgs, output: &mut Output, as_json: bool) -> Result<ExitCode, Failure> {
    let arguments = Arguments::parse(&args.arguments)?;
    let connection = Connection::open(&args.worker).await?;
    let (caller, pid) = (connection.caller().clone(), connection.pid());
    let target = Target::parse(&args.method);
    let measure = async {
        let description = caller.description().await;
        let method = description.as_ref().and_then(|description| known_method::find(description, &target));
        let prepared = caller.prepare(Call {
            target: target.clone(),
            arguments: arguments.to_json(method),
            metadata: args.request.metadata,
            timeout: args.request.timeout,
            is_stream: false,
            items: None,
        })?;
        // A method that fails is not measured.
        let failed = |failure| known_method::explain(description.as_ref(), &target, failure);
        prepared.make().await.map_err(failed)?;
        if !as_json {
            output.write_line(HEADER)?;
        }
        for &in_flight in &args.in_flight {
            measured(&prepared, in_flight, args.warm_up, pid).await?;
            let row = measured(&prepared, in_flight, args.duration, pid).await?;
            output.write_line(&if as_json { row.to_json().to_string() } else { row.to_text() })?;
        }
        Ok(())
    };
    connection.close_after(measure).await?;
    Ok(ExitCode::SUCCESS)
}

/// Result of a measurement. Latencies are in nanoseconds.
struct Row {
    in_flight: u16,
    latencies: Histogram<u64>,
    time: Duration,
    /// CPU time of this process and of the worker, if the system says it.
    cpu: Option<(Duration, Duration)>,
}

async fn measured(
    call: &PreparedCall,
    in_flight: u16,
    duration: Duration,
    pid: Option<u32>,
) -> Result<Row, Failure> {
    let cpu = || Some((cpu_time::of(std::process::id())?, cpu_time::of(pid?)?));
    let (start, cpu_before) = (Instant::now(), cpu());
    // One histogram for all callers: many large ones would not fit into the caches.
    let latencies = RefCell::new(Histogram::new(DIGITS).expect("the number of digits is valid"));
    try_join_all((0..in_flight).map(|_| calls_until(call, start + duration, &latencies))).await?;
    let (time, cpu_after) = (start.elapsed(), cpu());
    let latencies = latencies.into_inner();
    let cpu = cpu_before.zip(cpu_after).map(|(before, after)| (after.0 - before.0, after.1 - before.1));
    Ok(Row { in_flight, latencies, time, cpu })
}

/// Makes one call after the other until `end`.
async fn calls_until(
    call: &PreparedCall,
    end: Instant,
    latencies: &RefCell<Histogram<u64>>,
) -> Result<(), Failure> {
    let mut begun = Instant::now();
    while begun < end {
        call.make().await?;
        let now = Instant::now();
        let nanos = u64::try_from((now - begun).as_nanos()).unwrap_or(u64::MAX);
        latencies.borrow_mut().record(nanos).expect("the histogram grows");
        begun = now;
    }
    Ok(())
}

const HEADER: &str =
    "in flight     calls   calls/s    p50 µs    p99 µs  p99.9 µs    max µs  CPU µs/call: iw    worker";

impl Row {
    fn micros(&self, quantile: f64) -> f64 {
        self.latencies.value_at_quantile(quantile) as f64 / 1e3
    }

    fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.time.as_secs_f64()
    }

    /// CPU time of a call in microseconds: of this process, and of the worker.
    fn cpu_per_call(&self) -> Option<[f64; 2]> {
        let (host, worker) = self.cpu?;
        Some([host, worker].map(|time| time.as_secs_f64() * 1e6 / self.latencies.len() as f64))
    }

    fn to_text(&self) -> String {
        let cpu = self
            .cpu_per_call()
            .map_or(["-".to_owned(), "-".to_owned()], |cpu| cpu.map(|time| format!("{time:.1}")));
        format!(
            "{:>9} {:>9} {:>9.0} {:>9.1} {:>9.1} {:>9.1} {:>9.1} {:>16} {:>9}",
            self.in_flight,
            self.latencies.len(),
            self.rate(),
            self.micros(0.5),
            self.micros(0.99),
            self.micros(0.999),
            self.latencies.max() as f64 / 1e3,
            cpu[0],
            cpu[1],
        )
    }

    fn to_json(&self) -> Value {
        json!({
            "in_flight": self.in_flight,
            "calls": self.latencies.len(),
            "seconds": self.time.as_secs_f64(),
            "calls_per_second": self.rate(),
            "p50_us": self.micros(0.5),
            "p99_us": self.micros(0.99),
            "p99_9_us": self.micros(0.999),
            "max_us": self.latencies.max() as f64 / 1e3,
            "cpu_us_per_call": self.cpu_per_call().map(|[host, worker]| json!({ "iw": host, "worker": worker })),
        })
    }
}
