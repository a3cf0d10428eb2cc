//! Commands and options.

use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::transcode::CodecId;

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 the handler failed, 2 wrong usage, 3 the worker did not start, 4 host and \
worker do not match, 5 the worker crashed or closed, 6 timeout, 7 refused before it ran, 8 a value \
does not fit, 9 a difference was found, 10 any other failure, 11 and 12 a service is compatible in \
one direction or in none, 130 interrupted.";

/// Calls, describes and measures workers of isolated-workers.
#[derive(Debug, Parser)]
#[command(name = "iw", version, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Writes errors and reports as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Calls a method and prints its reply as JSON
    Call(CallArgs),
    /// Calls a method once for each line of standard input, in a pool of workers
    ///
    /// Each line is a JSON value with the arguments. Each answer is a line, in the order of the
    /// input. The answer of a call that failed is an object with the key `error`.
    Each(EachArgs),
    /// Writes what a worker can do, if it says so
    Describe(DescribeArgs),
    /// Writes types and a typed client for Python or Node.js, from what a worker says
    Types(TypesArgs),
    /// Writes what a worker is doing, as JSON
    Status(WorkerArgs),
    /// Waits for an answer of a worker
    Ping(WorkerArgs),
    /// Measures the latency of a method
    Bench(BenchArgs),
    /// Reads calls from a prompt, or from standard input, and makes them with one worker
    Shell(ShellArgs),
    /// Runs `call`, `each` or `shell`, and writes the calls and their answers to a file
    Record(RecordArgs),
    /// Makes the calls of a record again, and writes the first answer that differs
    Replay(ReplayArgs),
    /// Shows what this machine can enforce for a worker in a sandbox, and its limits
    Check,
    /// Writes the completions of a shell
    Completions {
        /// Shell
        shell: clap_complete::Shell,
    },
}

/// Worker, and how to reach it.
#[derive(Clone, Debug, Args)]
pub(crate) struct WorkerArgs {
    /// Worker: `./program`, `exec:./program arg…`, `ssh:host:./program arg…`, `unix:/path` or
    /// `attach:FILE`
    #[arg(value_name = "ADDR")]
    pub(crate) address: String,
    /// Codec of the worker [default: found by itself]
    #[arg(long, value_enum)]
    pub(crate) codec: Option<CodecId>,
    /// Startup data, as JSON
    #[arg(long, value_name = "JSON")]
    pub(crate) startup: Option<String>,
    /// Time within which the worker must be ready
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub(crate) startup_timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct TypesArgs {
    /// Language of the module
    #[arg(value_enum)]
    pub(crate) language: Language,
    #[command(flatten)]
    pub(crate) worker: WorkerArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Language {
    /// Python, for the package `isolated_workers`
    Py,
    /// TypeScript, for the package `isolated-workers-client`
    Ts,
}

/// Options of calls.
#[derive(Clone, Debug, Args)]
pub(crate) struct RequestArgs {
    /// Time within which a call must be answered, such as `500ms`, `5s` or `2m`; 0 is no limit
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// Metadata of the calls; can be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) metadata: Vec<(String, String)>,
}

#[derive(Debug, Args)]
pub(crate) struct CallArgs {
    #[command(flatten)]
    pub(crate) worker: WorkerArgs,
    /// Method, or `Service.method`
    pub(crate) method: String,
    /// Arguments: a JSON object, `name=value` pairs, `@file`, or `-` for standard input
    #[arg(value_name = "ARGUMENT")]
    pub(crate) arguments: Vec<String>,
    /// The method answers with a stream: prints its items as JSON lines, as they come [default: as
    /// the worker says]
    #[arg(long)]
    pub(crate) stream: bool,
    /// Sends the lines of standard input, each a JSON value, as the streamed argument [default: as
    /// the worker says]
    #[arg(long)]
    pub(crate) items: bool,
    #[command(flatten)]
    pub(crate) request: RequestArgs,
}

#[derive(Debug, Args)]
pub(crate) struct EachArgs {
    #[command(flatten)]
    pub(crate) worker: WorkerArgs,
    /// Method, or `Service.method`
    pub(crate) method: String,
    /// Number of workers, if ADDR is a program [default: one for each processor]
    #[arg(long, value_name = "COUNT")]
    pub(crate) workers: Option<NonZeroU16>,
    /// Number of calls in flight in each worker
    #[arg(long, value_name = "COUNT", default_value = "1")]
    pub(crate) in_flight: NonZeroU32,
    /// The method answers with a stream: the answer is an array of its items [default: as the
    /// worker says]
    #[arg(long)]
    pub(crate) stream: bool,
    /// Writes each answer as soon as it is there
    #[arg(long)]
    pub(crate) unordered: bool,
    #[command(flatten)]
    pub(crate) request: RequestArgs,
}

#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct DescribeArgs {
    #[command(flatten)]
    pub(crate) worker: WorkerArgs,
    /// Writes an OpenRPC document
    #[arg(long, conflicts_with_all = ["lock", "check"])]
    pub(crate) openrpc: bool,
    /// Writes the services to a file, for `--check`
    #[arg(long, value_name = "FILE", conflicts_with = "check")]
    pub(crate) lock: Option<PathBuf>,
    /// Compares the services with a file of `--lock`. The exit code is 0 if they are the same, 9 if
    /// something was added, 11 if one side of another version breaks, 12 if both do
    #[arg(long, value_name = "FILE")]
    pub(crate) check: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    pub(crate) worker: WorkerArgs,
    /// Method, or `Service.method`
    pub(crate) method: String,
    /// Arguments, as of `call`
    #[arg(value_name = "ARGUMENT")]
    pub(crate) arguments: Vec<String>,
    /// Numbers of calls in flight, each of which is measured
    #[arg(long, value_name = "COUNTS", value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) in_flight: Vec<u16>,
    /// Time of each measurement
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// Time of calls before each measurement that are not measured
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = duration)]
    pub(crate) warm_up: Duration,
    #[command(flatten)]
    pub(crate) request: RequestArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ShellArgs {
    #[command(flatten)]
    pub(crate) worker: WorkerArgs,
    #[command(flatten)]
    pub(crate) request: RequestArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// File to write
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Metadata key whose value is not recorded, besides those that look like secrets; can be
    /// repeated
    #[arg(long, value_name = "KEY")]
    pub(crate) redact: Vec<String>,
    #[command(subcommand)]
    pub(crate) command: RecordedCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RecordedCommand {
    /// Calls a method and prints its reply as JSON
    Call(CallArgs),
    /// Calls a method once for each line of standard input
    Each(EachArgs),
    /// Reads calls from a prompt, or from standard input
    Shell(ShellArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Record
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) worker: WorkerArgs,
}

/// Parses a time such as `500ms`, `1.5s`, `2m`, or a number of seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err("the unit must be us, ms, s, m or h".to_owned()),
    };
    let number: f64 = number.parse().map_err(|_| "expected a number and a unit, such as 500ms".to_owned())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|error| error.to_string())
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_commands_is_valid() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn a_time_has_a_unit() {
        for (text, milliseconds) in [("500ms", 500), ("1.5s", 1500), ("2m", 120_000), ("3", 3000), ("0", 0)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "s", "5 s", "5 days", "-1s", "1.2.3s", "99999999999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
