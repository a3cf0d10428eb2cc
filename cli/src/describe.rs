use std::process::ExitCode;

use isolated_workers::describe::StatusReport;

use crate::args::WorkerArgs;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Output;
use crate::signature;

/// Writes what a worker can do: as a text like a trait, or as the document.
pub(crate) async fn describe(
    args: WorkerArgs,
    output: &mut Output,
    as_json: bool,
) -> Result<ExitCode, Failure> {
    let connection = Connection::open(&args).await?;
    let caller = connection.caller().clone();
    let description = connection.close_after(async { caller.describe().await }).await?;
    if as_json {
        output.write_json(&description.to_json())?;
    } else {
        output.write_line(signature::of_worker(&description).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes how a worker is doing.
pub(crate) async fn status(args: WorkerArgs, output: &mut Output) -> Result<ExitCode, Failure> {
    let connection = Connection::open(&args).await?;
    let caller = connection.caller().clone();
    let status: StatusReport = connection.close_after(async { caller.status().await }).await?;
    output.write_json(&status.to_json())?;
    Ok(ExitCode::SUCCESS)
}

/// Waits for an answer of a worker, which shows that its handlers run.
pub(crate) async fn ping(args: WorkerArgs, output: &mut Output) -> Result<ExitCode, Failure> {
    let connection = Connection::open(&args).await?;
    let caller = connection.caller().clone();
    let time = connection.close_after(async { caller.ping().await }).await?;
    output.write_line(&format!("{} µs", time.as_micros()))?;
    Ok(ExitCode::SUCCESS)
}
