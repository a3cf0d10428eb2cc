use std::process::ExitCode;
use std::sync::Arc;

use futures_util::StreamExt;

use crate::answer::{Answer, JsonItems};
use crate::args::CallArgs;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::outgoing_call::Call;
use crate::output::Output;
use crate::recorder::Recorder;
use crate::target::Target;
use crate::{arguments, input};

/// Calls a method and writes its reply, or its items as they come.
pub(crate) async fn run(
    args: CallArgs,
    output: &mut Output,
    recorder: Option<Arc<Recorder>>,
) -> Result<ExitCode, Failure> {
    if args.items && args.arguments == ["-"] {
        let why =
            "both the arguments and the items would come from standard input; pass the arguments as `@file`";
        return Err(Failure::Usage(format!("could not read the arguments: {why}")));
    }
    let call = Call {
        target: Target::parse(&args.method),
        arguments: arguments::parse(&args.arguments)?,
        metadata: args.request.metadata,
        timeout: args.request.timeout,
        is_stream: args.stream,
        items: args.items.then(items),
    };
    let connection = Connection::open(&args.worker).await?;
    let caller = connection.caller().recorded_by(recorder);
    connection.close_after(async { write(caller.call(call).await?, output).await }).await?;
    Ok(ExitCode::SUCCESS)
}

/// Writes an answer.
async fn write(answer: Answer, output: &mut Output) -> Result<(), Failure> {
    match answer {
        Answer::Reply(None) => Ok(()),
        Answer::Reply(Some(reply)) => Ok(output.write_json(&reply)?),
        Answer::Items(mut items) => {
            while let Some(item) = items.next().await {
                output.write_json_line(&item?)?;
            }
            Ok(())
        }
    }
}

/// Items of the streamed argument: the lines of the standard input.
fn items() -> JsonItems {
    let lines = input::lines().map(|line| {
        let line = line?;
        input::check_json(&line, "an item of standard input")?;
        Ok(line)
    });
    Box::pin(lines)
}
