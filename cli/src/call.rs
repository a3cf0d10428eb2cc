use std::process::ExitCode;
use std::sync::Arc;

use futures_util::StreamExt;

use crate::answer::{Answer, JsonItems};
use crate::args::CallArgs;
use crate::arguments::Arguments;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::outgoing_call::Call;
use crate::output::Output;
use crate::recorder::Recorder;
use crate::target::Target;
use crate::{input, known_method};

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
    let arguments = Arguments::parse(&args.arguments)?;
    let target = Target::parse(&args.method);
    let connection = Connection::open(&args.worker).await?;
    let caller = connection.caller().recorded_by(recorder);
    let answered = async {
        let description = caller.description().await;
        let method = description.as_ref().and_then(|description| known_method::find(description, &target));
        // Standard input is either the arguments or the items.
        let takes_items = method.is_some_and(|method| method.takes.is_some()) && args.arguments != ["-"];
        let call = Call {
            target: target.clone(),
            arguments: arguments.to_json(method),
            metadata: args.request.metadata,
            timeout: args.request.timeout,
            is_stream: args.stream || method.is_some_and(|method| method.streams),
            items: (args.items || takes_items).then(items),
        };
        let result = match caller.call(call).await {
            Ok(answer) => write(answer, output).await,
            Err(failure) => Err(failure),
        };
        result.map_err(|failure| known_method::explain(description.as_ref(), &target, failure))
    };
    connection.close_after(answered).await?;
    Ok(ExitCode::SUCCESS)
}

/// Writes an answer.
pub(crate) async fn write(answer: Answer, output: &mut Output) -> Result<(), Failure> {
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
