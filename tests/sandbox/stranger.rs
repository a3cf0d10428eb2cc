//! Worker that knows nothing of this library: it performs the handshake by hand, over its standard
//! streams. Its first argument is a file, the second one a file for the outcome of reading the first.

use std::io::{self, BufRead, Write};

fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    let outcome = match std::fs::read(&arguments[1]) {
        Ok(_) => "read".to_owned(),
        Err(error) => error.to_string(),
    };
    std::fs::write(&arguments[2], outcome).unwrap();
    let mut lines = io::stdin().lock().lines();
    lines.next().unwrap().unwrap();
    let hello = r#"{"isolated-workers":1,"codec":"json","transport":"stdio","pid":1,"build":"0"}"#;
    println!("{hello}");
    io::stdout().flush().unwrap();
    // Until the host closes the connection.
    for _ in lines {}
}
