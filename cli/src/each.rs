use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt};
use serde_json::Value;

use crate::args::EachArgs;
use crate::caller::Caller;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::outgoing_call::Call;
use crate::output::{self, Output};
use crate::progress::Progress;
use crate::recorder::Recorder;
use crate::target::Target;
use crate::{input, known_method};

/// Calls a method once for each line of the standard input, and writes one line for each answer.
pub(crate) async fn run(
    args: EachArgs,
    output: &mut Output,
    as_json: bool,
    recorder: Option<Arc<Recorder>>,
) -> Result<ExitCode, Failure> {
    let workers = args.workers.map_or_else(default_workers, |workers| workers.get().into());
    let in_flight = args.in_flight.get();
    let connection = Connection::open_pool(&args.worker, workers, args.in_flight).await?;
    let caller = connection.caller().recorded_by(recorder);
    let at_once = connection.workers() * in_flight as usize;
    let target = Target::parse(&args.method);
    let description = caller.description().await;
    let method = description.as_ref().and_then(|description| known_method::find(description, &target));
    let is_stream = args.stream || method.is_some_and(|method| method.streams);
    let calls = input::lines().enumerate().map(|(index, line)| {
        let call = Call {
            target: target.clone(),
            arguments: None,
            metadata: args.request.metadata.clone(),
            timeout: args.request.timeout,
            is_stream,
            items: None,
        };
        answer(&caller, call, index + 1, line)
    });
    let summary = if args.unordered {
        connection.close_after(write(calls.buffer_unordered(at_once), output)).await?
    } else {
        connection.close_after(write(calls.buffered(at_once), output)).await?
    };
    summary.report(as_json);
    match summary.first_code {
        None => Ok(ExitCode::SUCCESS),
        Some(code) => Err(Failure::Reported(code)),
    }
}

fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Makes the call of a line. Its failure is a value, so that the others continue.
async fn answer(
    caller: &Caller,
    call: Call,
    line: usize,
    arguments: Result<String, Failure>,
) -> Result<Result<String, (u8, Value)>, Failure> {
    // The end of the input is the end of the command.
    let arguments = arguments?;
    let answer = async {
        input::check_json(&arguments, &format!("line {line}"))?;
        caller.call(Call { arguments: Some(arguments), ..call }).await?.collected().await
    };
    Ok(answer.await.map_err(|failure| {
        let mut json = failure.to_json();
        json["error"]["line"] = line.into();
        (failure.exit_code(), json)
    }))
}

/// Numbers of a run.
struct Summary {
    answered: u64,
    failed: u64,
    /// Exit code of the first failure.
    first_code: Option<u8>,
    time: Duration,
}

async fn write(
    answers: impl Stream<Item = Result<Result<String, (u8, Value)>, Failure>>,
    output: &mut Output,
) -> Result<Summary, Failure> {
    let start = Instant::now();
    let mut summary = Summary { answered: 0, failed: 0, first_code: None, time: Duration::ZERO };
    let mut progress = Progress::new(output.is_terminal());
    let mut answers = std::pin::pin!(answers);
    while let Some(answer) = answers.next().await {
        match answer? {
            Ok(reply) => {
                summary.answered += 1;
                output.write_json_line(&reply)?;
            }
            Err((code, error)) => {
                summary.failed += 1;
                summary.first_code.get_or_insert(code);
                output.write_json_line(&error.to_string())?;
            }
        }
        progress.show(summary.answered, summary.failed);
    }
    progress.clear();
    summary.time = start.elapsed();
    Ok(summary)
}

impl Summary {
    fn report(&self, as_json: bool) {
        let Self { answered, failed, time, .. } = self;
        let (seconds, calls) = (time.as_secs_f64(), answered + failed);
        let rate = if seconds > 0.0 { calls as f64 / seconds } else { 0.0 };
        output::write_error(&if as_json {
            serde_json::json!({
                "answered": answered, "failed": failed, "seconds": seconds, "calls_per_second": rate,
            })
            .to_string()
        } else {
            format!(
                "{calls} calls: {answered} answered, {failed} failed, in {seconds:.2} s ({rate:.0} a second)"
            )
        });
    }
}
