//! A sandboxed parser that is given an open file. It opens nothing itself, so a path in a hostile
//! file, or a bug in the parser, leads to no other file. Only on Linux.
//!
//! `cargo run --example open_file --features sandbox`

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, Write};

use isolated_workers::codec::Fd;
use isolated_workers::prelude::*;
use isolated_workers::sandbox::Sandbox;

/// Contract of the parser. A document is the line `%PAGES`, and then `page: <text>` on each line.
#[service]
trait Parser {
    /// Returns the texts of the pages.
    #[message(blocking)]
    fn parse(&self, document: Fd) -> Result<Vec<String>, String>;

    /// Tries to open a file by its path, as a hostile document might make the parser do.
    #[message(blocking)]
    fn steal(&self, path: String) -> Result<String, String>;
}

struct MyParser;

impl Parser for MyParser {
    fn parse(&self, document: Fd) -> Result<Vec<String>, String> {
        let mut lines = BufReader::new(File::from(document)).lines();
        match lines.next() {
            Some(Ok(first)) if first == "%PAGES" => {}
            _ => return Err("the file does not begin with %PAGES".to_owned()),
        }
        let pages = (2..).zip(lines).map(|(number, line)| {
            let line = line.map_err(|error| format!("line {number}: {error}"))?;
            let page = line.strip_prefix("page: ").ok_or(format!("line {number} is no page"))?;
            Ok(page.to_owned())
        });
        pages.collect()
    }

    fn steal(&self, path: String) -> Result<String, String> {
        std::fs::read_to_string(path).map_err(|error| error.to_string())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    if is_worker() {
        return Ok(serve(MyParser.into_service()).await?);
    }
    let builder = Worker::builder(Program::current_exe()?).sandbox(Sandbox::deny_all());
    let worker = builder.descriptors().spawn().await?;
    let parser = ParserClient::new(worker.clone());

    let good =
        document("%PAGES\npage: To be, or not to be\npage: Sein oder Nichtsein\npage: Rien ne va plus\n")?;
    for (number, page) in (1..).zip(parser.parse(good.into()).await?) {
        println!("page {number}: {page}");
    }
    if let Err(why) = parser.steal("/etc/passwd".into()).await {
        println!("the parser opens no file itself: {why}");
    }
    for text in ["%PAGES\nimage: none\n", "a text"] {
        match parser.parse(document(text)?.into()).await {
            Err(CallError::Service(why)) => println!("could not parse: {why}"),
            other => println!("unexpected: {other:?}"),
        }
    }
    worker.close().await?;

    // A host that did not ask for descriptors sends none.
    let worker = Worker::builder(Program::current_exe()?).spawn().await?;
    let refused = ParserClient::new(worker.clone()).parse(document("%PAGES\n")?.into()).await;
    println!("without `.descriptors()`: {}", refused.unwrap_err());
    Ok(worker.close().await?)
}

/// Returns an open file with this text, which has no name any more.
fn document(text: &str) -> std::io::Result<File> {
    let path = std::env::temp_dir().join(format!("open_file-{}", std::process::id()));
    let mut file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(path)?;
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file)
}
