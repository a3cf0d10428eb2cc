//! Lines of the standard input, read by a thread of its own, because a read may block for ever.

use std::io::{self, BufRead};

use futures_util::{Stream, stream};
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use crate::failure::Failure;

/// Number of lines that wait.
const MAX_QUEUED_LINES: usize = 64;

/// Returns the lines that are not blank.
pub(crate) fn lines() -> impl Stream<Item = Result<String, Failure>> + Send + Unpin {
    let (sender, receiver) = mpsc::channel(MAX_QUEUED_LINES);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let is_blank = line.as_ref().is_ok_and(|line| line.trim().is_empty());
            if !is_blank && sender.blocking_send(line.map_err(Failure::from)).is_err() {
                break;
            }
        }
    });
    Box::pin(stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver))))
}

/// Checks that a text is one JSON value.
pub(crate) fn check_json(text: &str, what: &str) -> Result<(), Failure> {
    match serde_json::from_str::<&RawValue>(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::Usage(format!("could not read {what}: it is not JSON: {error}"))),
    }
}
