//! A worker that reads files for its host: it streams the last lines of a log, then each new one,
//! and sorts lines that the host streams to it. A file that is missing ends its stream with an
//! error.
//!
//! `cargo run --example log_tail [file]`: prints the lines of `file` until Ctrl-C, or runs a
//! demonstration.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use isolated_workers::prelude::*;
use isolated_workers::service::Streaming;
use isolated_workers::service::streaming::{Emitter, produce};
use tokio::fs::File;
use tokio::io::{AsyncBufReadExt, BufReader};

/// Time between two looks at a file without new lines.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

#[service]
trait Logs {
    /// Streams the lines of a file, and waits for further ones.
    #[message(timeout = "none")]
    fn tail(&self, file: PathBuf) -> impl Stream<Item = Result<String, LogError>>;

    /// Streams the given lines that contain `word`.
    fn grep(&self, word: String, lines: Streaming<String>) -> impl Stream<Item = Result<String, LogError>>;

    /// Counts the words of all lines.
    async fn count_words(&self, lines: Streaming<String>) -> Result<usize, LogError>;
}

#[derive(Debug, serde::Serialize, serde::Deserialize)]
struct LogError(String);

impl std::fmt::Display for LogError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LogError {}

impl From<Error> for LogError {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

struct MyLogs;

impl Logs for MyLogs {
    fn tail(&self, file: PathBuf) -> impl Stream<Item = Result<String, LogError>> {
        produce(|out| async move {
            let failed = |error| LogError(format!("could not read {}: {error}", file.display()));
            send_lines(&file, out).await.map_err(failed)
        })
    }

    fn grep(
        &self,
        word: String,
        mut lines: Streaming<String>,
    ) -> impl Stream<Item = Result<String, LogError>> {
        produce(|mut out: Emitter<String>| async move {
            while let Some(line) = lines.next().await {
                let line = line?;
                if line.contains(&word) && out.send(line).await.is_err() {
                    break;
                }
            }
            Ok(())
        })
    }

    async fn count_words(&self, mut lines: Streaming<String>) -> Result<usize, LogError> {
        let mut count = 0;
        while let Some(line) = lines.next().await {
            count += line?.split_whitespace().count();
        }
        Ok(count)
    }
}

/// Sends the lines of a file until the host drops the stream, which drops this future.
async fn send_lines(file: &PathBuf, mut out: Emitter<String>) -> std::io::Result<()> {
    let mut file = BufReader::new(File::open(file).await?);
    let mut line = String::new();
    loop {
        if file.read_line(&mut line).await? == 0 || !line.ends_with('\n') {
            tokio::time::sleep(POLL_INTERVAL).await;
            continue;
        }
        if out.send(line.trim_end().to_owned()).await.is_err() {
            return Ok(());
        }
        line.clear();
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    if is_worker() {
        return serve(MyLogs.into_service()).await;
    }
    let worker = Worker::builder(Program::current_exe()?).spawn().await?;
    let logs = LogsClient::new(worker.clone());
    if let Some(file) = std::env::args_os().nth(1) {
        let mut lines = logs.tail(file.into());
        while let Some(line) = lines.next().await {
            println!("{}", line?);
        }
        return Ok(());
    }

    let mut log = tempfile::NamedTempFile::new().expect("the temporary folder is writable");
    writeln!(log, "started\nready").expect("the disk has space");
    let mut lines = logs.tail(log.path().to_owned());
    println!("old: {}", lines.next().await.expect("a line")?);
    println!("old: {}", lines.next().await.expect("a line")?);
    writeln!(log, "one more").expect("the disk has space");
    println!("new: {}", lines.next().await.expect("a line")?);
    // Dropping the stream ends the loop in the worker.
    drop(lines);

    let text = || stream::iter(["a line", "another", "the last line"]).map(String::from);
    let mut found = logs.grep("line".into(), text());
    while let Some(line) = found.next().await {
        println!("found: {}", line?);
    }
    println!("words: {}", logs.count_words(text()).await?);

    let mut missing = logs.tail("/no/such/file".into());
    println!("{}", missing.next().await.expect("an error").unwrap_err());
    worker.close().await
}
