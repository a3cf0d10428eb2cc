//! Program with offloaded functions: `call` calls one in the default pool, `print` one that prints,
//! `call-other <path>` one in the program at a path, and `serve` serves any host.

use isolated_workers::offload;
use isolated_workers::prelude::*;
use isolated_workers_test_library::numbers::{double, pid};

#[offload]
fn describe(pid: u32) -> String {
    if pid == std::process::id() { "this process".into() } else { "another process".into() }
}

#[offload]
fn print() {
    println!("printed");
    eprintln!("twice");
}

fn main() -> Result<(), Error> {
    offload::init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["call"] => {
            println!("{} in {}", double::blocking(21)?, describe::blocking(std::process::id())?);
            assert_ne!(pid::blocking()?, std::process::id());
            Ok(())
        }
        ["print"] => print::blocking(),
        ["call-other", path] => runtime().block_on(async {
            let worker = Worker::builder(Program::new(path).arg("serve")).spawn().await?;
            println!("{}", double::on(&worker, 21).await?);
            worker.close().await
        }),
        ["serve"] => runtime().block_on(async { serve(offload::Functions).await }),
        _ => panic!("unknown arguments: {arguments:?}"),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}
