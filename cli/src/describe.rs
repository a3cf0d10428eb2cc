use std::path::Path;
use std::process::ExitCode;

use isolated_workers::describe::{Compatibility, Description, StatusReport};
use serde_json::json;

use crate::args::{DescribeArgs, WorkerArgs};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Output;
use crate::{exit_code, signature};

/// Writes what a worker can do: as a text like a trait, or as a document. Or compares it with a
/// file.
pub(crate) async fn describe(
    args: DescribeArgs,
    output: &mut Output,
    as_json: bool,
) -> Result<ExitCode, Failure> {
    let DescribeArgs { worker, openrpc, lock, check } = args;
    let connection = Connection::open(&worker).await?;
    let caller = connection.caller().clone();
    let description = connection.close_after(async { caller.describe().await }).await?;
    if let Some(path) = lock {
        description.write_lock(path)?;
    } else if let Some(path) = check {
        return compare(&read(&path)?, &description, output, as_json);
    } else if openrpc {
        output.write_json(&description.to_open_rpc().to_string())?;
    } else if as_json {
        output.write_json(&description.to_json())?;
    } else {
        output.write_line(signature::of_worker(&description).trim_end())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<Description, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::Usage(format!("could not read {}: {error}; write it with `--lock`", path.display()))
    })?;
    Ok(Description::from_json(&text)?)
}

/// Writes the differences between two versions of a service.
fn compare(
    old: &Description,
    new: &Description,
    output: &mut Output,
    as_json: bool,
) -> Result<ExitCode, Failure> {
    let codec = new.codecs.first().map_or("json", String::as_str);
    let comparison = Description::compare(old, new, codec);
    let class = comparison.class();
    if as_json {
        let differences = comparison.differences.iter().map(|difference| {
            json!({ "path": difference.path, "text": difference.text, "class": difference.class().name() })
        });
        let json = json!({ "class": class.name(), "differences": differences.collect::<Vec<_>>() });
        output.write_json(&json.to_string())?;
    } else {
        for difference in &comparison.differences {
            output.write_line(&difference.to_string())?;
        }
        output.write_line(class.name())?;
    }
    match class {
        Compatibility::Same => Ok(ExitCode::SUCCESS),
        Compatibility::Additive => Err(Failure::Different),
        Compatibility::OneWay => Err(Failure::Reported(exit_code::ONE_WAY)),
        _ => Err(Failure::Reported(exit_code::BREAKING)),
    }
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
