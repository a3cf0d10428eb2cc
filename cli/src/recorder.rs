use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use futures_util::StreamExt;
use futures_util::stream;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::failure::Failure;
use crate::outgoing_call::Call;

/// Parts of metadata keys whose values look like secrets.
const SECRET: [&str; 6] = ["authorization", "token", "password", "cookie", "secret", "credential"];

/// Version of the format.
pub(crate) const VERSION: u64 = 1;

/// Writes calls and their answers to a file: JSON lines, of which the first is a header.
pub(crate) struct Recorder {
    file: Mutex<File>,
    start: Instant,
    /// Further metadata keys that are not recorded.
    redacted: Vec<String>,
}

impl Recorder {
    /// Creates the file, which only this user can read.
    pub(crate) fn create(path: &Path, address: &str, redacted: Vec<String>) -> Result<Self, Failure> {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|error| {
            Failure::Usage(format!("could not write the record {}: {error}", path.display()))
        })?;
        let recorder = Self { file: Mutex::new(file), start: Instant::now(), redacted };
        recorder
            .write(&json!({ "iw-record": VERSION, "iw": env!("CARGO_PKG_VERSION"), "worker": address }))?;
        Ok(recorder)
    }

    /// Begins the entry of a call.
    pub(crate) fn begin(self: &Arc<Self>, call: &Call) -> Entry {
        let (hidden, shown): (Vec<_>, Vec<_>) =
            call.metadata.iter().partition(|(key, _)| self.is_secret(key));
        let metadata: serde_json::Map<_, _> =
            shown.into_iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
        let arguments = call.arguments.as_deref().and_then(|json| serde_json::from_str(json).ok());
        let entry = json!({
            "at_us": micros(self.start),
            "service": call.target.service,
            "method": call.target.method,
            "arguments": arguments.unwrap_or(Value::Null),
            "metadata": metadata,
            "redacted": hidden.into_iter().map(|(key, _)| key).collect::<Vec<_>>(),
            "stream": call.is_stream,
            "sends_items": call.items.is_some(),
        });
        Entry { recorder: Arc::clone(self), begun: Instant::now(), entry }
    }

    fn is_secret(&self, key: &str) -> bool {
        let key = key.to_lowercase();
        SECRET.iter().any(|part| key.contains(part))
            || self.redacted.iter().any(|other| other.to_lowercase() == key)
    }

    fn write(&self, entry: &Value) -> Result<(), Failure> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(file.write_all(format!("{entry}\n").as_bytes())?)
    }
}

/// Entry of a call in flight.
pub(crate) struct Entry {
    recorder: Arc<Recorder>,
    begun: Instant,
    entry: Value,
}

impl Entry {
    /// Writes the entry once the answer is complete.
    pub(crate) fn end(self, answer: Result<Answer, Failure>) -> Result<Answer, Failure> {
        match answer {
            Ok(Answer::Items(items)) => {
                let state = (items, Some(self), Vec::new());
                let recorded = stream::unfold(state, async |(mut items, mut entry, mut seen)| {
                    let item = items.next().await;
                    match &item {
                        Some(Ok(json)) => seen.push(parsed(json)),
                        Some(Err(failure)) => {
                            if let Some(entry) = entry.take() {
                                // The failure of the call matters more than one of the file.
                                let _ = entry.write("items", seen.clone().into(), Some(failure));
                            }
                        }
                        None => {
                            if let Some(entry) = entry.take()
                                && let Err(failure) = entry.write("items", seen.clone().into(), None)
                            {
                                return Some((Err(failure), (items, None, seen)));
                            }
                        }
                    }
                    Some((item?, (items, entry, seen)))
                });
                Ok(Answer::Items(Box::pin(recorded)))
            }
            Ok(Answer::Reply(reply)) => {
                self.write("reply", reply.as_deref().map_or(Value::Null, parsed), None)?;
                Ok(Answer::Reply(reply))
            }
            Err(failure) => {
                self.write("reply", Value::Null, Some(&failure))?;
                Err(failure)
            }
        }
    }

    fn write(mut self, key: &str, value: Value, failure: Option<&Failure>) -> Result<(), Failure> {
        self.entry["took_us"] = micros(self.begun).into();
        if failure.is_none() || key == "items" {
            self.entry[key] = value;
        }
        if let Some(failure) = failure {
            self.entry["error"] = failure.to_json()["error"].take();
        }
        self.recorder.write(&self.entry)
    }
}

fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or(Value::Null)
}

fn micros(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_micros()).unwrap_or(u64::MAX)
}
