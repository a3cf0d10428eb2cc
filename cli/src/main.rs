//! The command `iw`: calls, describes and measures workers from a shell.
//!
//! [`args`] has the commands. [`address`] says which worker, [`connection`] reaches it, and
//! [`caller`] makes calls whose arguments and replies are JSON. Each command has a file of its own.

mod address;
mod advice;
mod answer;
mod args;
mod arguments;
mod bench;
mod call;
mod caller;
mod check;
mod completion;
mod completions;
mod connection;
mod cpu_time;
mod describe;
mod distance;
mod each;
mod exit_code;
mod failure;
mod history;
mod input;
mod known_method;
mod line_buffer;
mod line_editor;
mod outgoing_call;
mod output;
mod pretty;
mod progress;
mod prompt;
mod record;
mod recorder;
mod replay;
mod schema;
mod shell;
mod signature;
mod target;
mod terminal;
mod transcode;
mod types;
mod words;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::failure::Failure;
use crate::output::Output;

fn main() -> ExitCode {
    let Cli { json, command } = Cli::parse();
    match Output::take().map_err(Failure::from).and_then(|output| run(command, output, json)) {
        Ok(code) => code,
        Err(failure) => failure.report(json),
    }
}

fn run(command: Command, mut output: Output, as_json: bool) -> Result<ExitCode, Failure> {
    // One thread: a worker's answer is then read without a switch of threads.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Call(args) => call::run(args, &mut output, None).await,
            Command::Each(args) => each::run(args, &mut output, as_json, None).await,
            Command::Describe(args) => describe::describe(args, &mut output, as_json).await,
            Command::Types(args) => types::run(args, &mut output).await,
            Command::Status(args) => describe::status(args, &mut output).await,
            Command::Ping(args) => describe::ping(args, &mut output).await,
            Command::Bench(args) => bench::run(args, &mut output, as_json).await,
            Command::Shell(args) => shell::run(args, &mut output, as_json, None).await,
            Command::Record(args) => record::run(args, &mut output, as_json).await,
            Command::Replay(args) => replay::run(args, &mut output, as_json).await,
            Command::Check => check::run(&mut output, as_json),
            Command::Completions { shell } => completions::run(shell, &mut output),
        }
    })
}
