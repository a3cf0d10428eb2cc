use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use isolated_workers::describe::Description;

use crate::args::{RequestArgs, ShellArgs};
use crate::arguments::Arguments;
use crate::caller::Caller;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::outgoing_call::Call;
use crate::output::{self, Output};
use crate::prompt::Prompt;
use crate::recorder::Recorder;
use crate::target::Target;
use crate::{call, known_method, signature, words};

/// Commands of the shell, for its completion.
const COMMANDS: [&str; 5] = ["describe", "exit", "help", "status", "timing"];

const HELP: &str = "\
METHOD [ARGUMENT]…  calls a method: `add a=2 b=3`, or `add {\"a\": 2}`; `Service.method` for another service
describe            what the worker can do
status              what the worker is doing
timing on|off       prints the time of each call
help, exit          this text; the end of the shell
A line that begins with a blank is not kept in the history.";

/// Reads commands from the standard input and runs them with one worker, which keeps its state. A
/// worker that crashes is replaced.
pub(crate) async fn run(
    args: ShellArgs,
    output: &mut Output,
    as_json: bool,
    recorder: Option<Arc<Recorder>>,
) -> Result<ExitCode, Failure> {
    let connection = Connection::open_respawning(&args.worker).await?;
    let caller = connection.caller().recorded_by(recorder);
    let description = caller.description().await;
    let prompt = Prompt::new(completions(description.as_ref()));
    let mut shell = Shell { caller, description, request: args.request, is_timed: false, as_json };
    let first_code = connection.close(shell.run(prompt, output)).await?;
    match first_code {
        None => Ok(ExitCode::SUCCESS),
        Some(code) => Err(Failure::Reported(code)),
    }
}

/// First words of a line, each with the words that may follow.
fn completions(description: Option<&Description>) -> Vec<(String, Vec<String>)> {
    let mut completions: Vec<_> = COMMANDS.iter().map(|name| ((*name).to_owned(), Vec::new())).collect();
    completions.push(("timing".to_owned(), vec!["on".to_owned(), "off".to_owned()]));
    for name in description.map(known_method::names).unwrap_or_default() {
        let method = description.and_then(|all| known_method::find(all, &Target::parse(&name)));
        let arguments = method.map(|method| &method.arguments).into_iter().flatten();
        completions.push((name, arguments.map(|argument| format!("{}=", argument.name)).collect()));
    }
    completions
}

struct Shell {
    caller: Caller,
    description: Option<Description>,
    request: RequestArgs,
    is_timed: bool,
    as_json: bool,
}

impl Shell {
    /// Runs all lines. Returns the exit code of the first failure, if the lines come from no
    /// terminal.
    async fn run(&mut self, mut prompt: Prompt, output: &mut Output) -> Result<Option<u8>, Failure> {
        let mut first_code = None;
        while let Some(line) = prompt.line().await? {
            let (name, rest) = line.trim().split_once(char::is_whitespace).unwrap_or((line.trim(), ""));
            if ["exit", "quit"].contains(&name) {
                break;
            }
            let result = tokio::select! {
                result = self.command(name, rest.trim(), output) => result,
                _ = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
            };
            match result {
                Ok(()) => {}
                // Nobody reads the output any more.
                Err(failure @ Failure::Io(_)) => return Err(failure),
                Err(failure) => {
                    failure.report(self.as_json);
                    first_code.get_or_insert(failure.exit_code());
                }
            }
        }
        Ok(first_code.filter(|_| !prompt.is_terminal()))
    }

    async fn command(&mut self, name: &str, rest: &str, output: &mut Output) -> Result<(), Failure> {
        match (name, rest) {
            ("" | "#", _) => Ok(()),
            ("help", "") => Ok(output.write_line(HELP)?),
            ("describe", "") => {
                let description = self.caller.describe().await?;
                Ok(output.write_line(signature::of_worker(&description).trim_end())?)
            }
            ("status", "") => Ok(output.write_json(&self.caller.status().await?.to_json())?),
            ("timing", "on" | "off") => {
                self.is_timed = rest == "on";
                Ok(())
            }
            _ => self.call(name, rest, output).await,
        }
    }

    async fn call(&self, name: &str, rest: &str, output: &mut Output) -> Result<(), Failure> {
        let words = match rest {
            json if json.starts_with(['{', '[']) => vec![json.to_owned()],
            rest => words::split(rest)
                .map_err(|why| Failure::Usage(format!("could not read the arguments: {why}")))?,
        };
        if words == ["-"] {
            let why = "standard input has the commands; write them into the line";
            return Err(Failure::Usage(format!("could not read the arguments: {why}")));
        }
        let (arguments, target) = (Arguments::parse(&words)?, Target::parse(name));
        let description = self.description.as_ref();
        let method = description.and_then(|description| known_method::find(description, &target));
        if method.is_some_and(|method| method.takes.is_some()) {
            let why = "standard input has the commands; use `iw call`, which sends its lines";
            return Err(Failure::Usage(format!("could not send the items of `{name}`: {why}")));
        }
        let begun = Instant::now();
        let call = Call {
            target: target.clone(),
            arguments: arguments.to_json(method),
            metadata: self.request.metadata.clone(),
            timeout: self.request.timeout,
            is_stream: method.is_some_and(|method| method.streams),
            items: None,
        };
        let result = match self.caller.call(call).await {
            Ok(answer) => call::write(answer, output).await,
            Err(failure) => Err(failure),
        };
        if self.is_timed {
            output::write_error(&format!("{} µs", begun.elapsed().as_micros()));
        }
        result.map_err(|failure| known_method::explain(description, &target, failure))
    }
}
