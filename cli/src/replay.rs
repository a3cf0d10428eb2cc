use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::answer::Answer;
use crate::args::ReplayArgs;
use crate::caller::Caller;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::outgoing_call::Call;
use crate::output::Output;
use crate::recorder;
use crate::target::Target;

/// Sends the calls of a record to a worker, one after the other, and writes the first difference.
pub(crate) async fn run(args: ReplayArgs, output: &mut Output, as_json: bool) -> Result<ExitCode, Failure> {
    let entries = read(&args.file)?;
    let connection = Connection::open(&args.worker).await?;
    let caller = connection.caller().clone();
    let compare = async {
        for (index, entry) in entries.iter().enumerate() {
            let Some(call) = call_of(entry) else { continue };
            let method = call.target.method.clone();
            let (recorded, now) = (outcome(entry), replayed(&caller, call).await);
            if recorded != now {
                return Ok(Some((index + 1, method, recorded, now)));
            }
        }
        Ok(None)
    };
    let difference = connection.close_after(compare).await?;
    let Some((number, method, recorded, now)) = difference else {
        output.write_line(&match as_json {
            true => json!({ "calls": entries.len(), "difference": null }).to_string(),
            false => format!("{} calls, no difference", entries.len()),
        })?;
        return Ok(ExitCode::SUCCESS);
    };
    output.write_line(&match as_json {
        true => {
            let difference = json!({ "call": number, "method": method, "recorded": recorded, "now": now });
            json!({ "calls": entries.len(), "difference": difference }).to_string()
        }
        false => format!(
            "call {number} of {}, `{method}`, differs\n  recorded: {recorded}\n  now:      {now}",
            entries.len()
        ),
    })?;
    Err(Failure::Different)
}

/// Reads the entries of a record.
fn read(path: &Path) -> Result<Vec<Value>, Failure> {
    let invalid =
        |why: String| Failure::Usage(format!("could not read the record {}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| invalid(error.to_string()))?;
    let mut lines = text.lines();
    let header: Value = lines.next().and_then(|line| serde_json::from_str(line).ok()).unwrap_or_default();
    match header["iw-record"].as_u64() {
        Some(recorder::VERSION) => {}
        Some(other) => {
            return Err(invalid(format!("it has the version {other}; use the `iw` that wrote it")));
        }
        None => return Err(invalid("it has no header; use a file that `iw record` wrote".to_owned())),
    }
    let entries = lines.enumerate().map(|(index, line)| {
        serde_json::from_str(line)
            .map_err(|error| invalid(format!("line {} is not JSON: {error}", index + 2)))
    });
    entries.collect()
}

/// Call of an entry. `None` if it cannot be repeated, because its streamed argument was not
/// recorded.
fn call_of(entry: &Value) -> Option<Call> {
    if entry["sends_items"] == true {
        return None;
    }
    let service = entry["service"].as_str().map(str::to_owned);
    let metadata = entry["metadata"].as_object().into_iter().flatten();
    Some(Call {
        target: Target { service, method: entry["method"].as_str()?.to_owned() },
        arguments: (!entry["arguments"].is_null()).then(|| entry["arguments"].to_string()),
        metadata: metadata
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect(),
        timeout: None,
        is_stream: entry["stream"] == true,
        items: None,
    })
}

/// Makes a call, and returns its outcome.
async fn replayed(caller: &Caller, call: Call) -> Value {
    let answer = async {
        match caller.call(call).await? {
            Answer::Reply(reply) => Ok(json!({ "reply": json_of(reply.as_deref()) })),
            items => Ok(json!({ "items": json_of(Some(&items.collected().await?)) })),
        }
    };
    answer.await.unwrap_or_else(|failure: Failure| outcome(&failure.to_json()))
}

fn json_of(text: Option<&str>) -> Value {
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Part of an entry that is compared: the reply, the items, or of an error what does not vary
/// between two processes.
fn outcome(entry: &Value) -> Value {
    let error = &entry["error"];
    if error.is_null() {
        return match entry.get("items") {
            Some(items) => json!({ "items": items }),
            None => json!({ "reply": entry["reply"] }),
        };
    }
    let mut kept = json!({ "kind": error["kind"] });
    if error["kind"] == "Remote" {
        for key in ["name", "code", "message", "value"] {
            kept[key] = error[key].clone();
        }
    }
    json!({ "error": kept })
}
