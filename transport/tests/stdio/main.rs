//! A worker on `Stdio` that everybody in it prints: a constructor, `main`, a library in C, a child of it, and `main`
//! again. It refers to nothing of the transport but what any worker does.

mod c;
mod constructor;
#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod system;

use std::io::Read;
use std::process::{Command, exit};

use isolated_workers_transport::{Bound, CHANNEL_VARIABLE, Channel, Stdio, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match std::env::var(CHANNEL_VARIABLE).ok().as_deref().and_then(|channel| channel.split_once(':')) {
        Some((_, address)) if Stdio.is_inherited(address) => runtime.block_on(worker(address)),
        Some(_) => grandchild(),
        None => {
            runtime.block_on(nothing_that_is_printed_gets_into_a_frame());
            println!("nothing that is printed gets into a frame: ok");
        }
    }
}

async fn worker(address: &str) {
    println!("main");
    c::print(c"c");
    print_from_children();
    // Its standard input is empty already.
    assert_eq!(std::io::stdin().read(&mut [0]).unwrap(), 0);
    let Channel { mut reader, mut writer, .. } = Stdio.attach(address).await.unwrap();
    assert!(Stdio.attach(address).await.is_err(), "it is taken once");
    println!("after attach");
    c::print(c"c again");
    print_from_children();
    let mut heard = [0; 5];
    reader.read_exact(&mut heard).await.unwrap();
    writer.write_all(&heard).await.unwrap();
    writer.shutdown().await.unwrap();
    println!("last");
    // The other direction goes on until the host has heard the end of this one.
    assert_eq!(reader.read(&mut [0]).await.unwrap(), 0);
    exit(0);
}

fn print_from_children() {
    assert!(system::echo("child").status().unwrap().success());
    let own = Command::new(std::env::current_exe().unwrap()).output().unwrap();
    // What it prints is its own again: it has the variable, and not the pipes.
    assert_eq!(lines(own.stdout), "constructor\ngrandchild\n");
}

fn grandchild() {
    println!("grandchild");
}

async fn nothing_that_is_printed_gets_into_a_frame() {
    let mut bound = Stdio.bind().unwrap();
    let inheritance = bound.inheritance();
    let child = Command::new(std::env::current_exe().unwrap())
        .env(CHANNEL_VARIABLE, format!("stdio:{}", inheritance.address))
        .stdin(inheritance.stdin.unwrap())
        .stdout(inheritance.stdout.unwrap())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let Channel { mut reader, mut writer, .. } = bound.establish().await.unwrap();
    writer.write_all(b"hello").await.unwrap();
    let mut heard = Vec::new();
    reader.read_to_end(&mut heard).await.unwrap();
    writer.shutdown().await.unwrap();
    // Without blocking the runtime: it is what closes an end that was dropped.
    let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(heard, b"hello", "{}", String::from_utf8_lossy(&heard));
    let said = lines(output.stderr);
    assert_eq!(said, "constructor\nmain\nc\nchild\nafter attach\nc again\nchild\nlast\n");
}

/// What was printed, with the ends of lines as they are here.
fn lines(printed: Vec<u8>) -> String {
    String::from_utf8(printed).unwrap().replace("\r\n", "\n")
}
