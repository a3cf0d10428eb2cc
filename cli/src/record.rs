use std::process::ExitCode;
use std::sync::Arc;

use crate::args::{RecordArgs, RecordedCommand};
use crate::failure::Failure;
use crate::output::Output;
use crate::recorder::Recorder;
use crate::{call, each, shell};

/// Runs a command, and records its calls.
pub(crate) async fn run(args: RecordArgs, output: &mut Output, as_json: bool) -> Result<ExitCode, Failure> {
    let RecordArgs { file, redact, command } = args;
    let recorder =
        |address: &str| Ok::<_, Failure>(Some(Arc::new(Recorder::create(&file, address, redact)?)));
    match command {
        RecordedCommand::Call(args) => {
            let recorder = recorder(&args.worker.address)?;
            call::run(args, output, recorder).await
        }
        RecordedCommand::Each(args) => {
            let recorder = recorder(&args.worker.address)?;
            each::run(args, output, as_json, recorder).await
        }
        RecordedCommand::Shell(args) => {
            let recorder = recorder(&args.worker.address)?;
            shell::run(args, output, as_json, recorder).await
        }
    }
}
