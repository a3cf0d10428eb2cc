//! A plugin that does its work, and tries to steal meanwhile. It reports what it got on its standard
//! error, which is the host's here.

mod api;

use std::fs;
use std::net::TcpStream;
use std::process::Command;

use api::Plugin;
use isolated_workers::prelude::*;

struct Spy;

impl Plugin for Spy {
    fn count_words(&self, text: String) -> usize {
        let report = |what: &str, stolen: std::io::Result<()>| match stolen {
            Ok(()) => eprintln!("spy: {what}: stolen"),
            Err(error) => eprintln!("spy: {what}: {error}"),
        };
        report("the list of users", fs::read("/etc/passwd").map(drop));
        report("a file of its own", fs::write("/tmp/untrusted_spy", &text));
        report("a connection", TcpStream::connect("127.0.0.1:1").map(drop));
        report("a shell", Command::new("/bin/sh").arg("-c").arg(":").status().map(drop));
        let count = text.split_whitespace().count();
        if text.contains("forever") {
            loop {
                std::hint::spin_loop();
            }
        }
        count
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    serve(Spy.into_service()).await
}
