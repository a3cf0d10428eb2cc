//! The worker and its host.

#[path = "constructor.rs"]
mod constructor;

use std::io::Read;
use std::process::{Command, exit};

use isolated_workers_transport::{Bound, Channel, Stdio, Transport, VARIABLE};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};

pub(super) fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match std::env::var(VARIABLE).ok().as_deref().and_then(|channel| channel.split_once(':')) {
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
    print_from_children();
    // Its standard input is empty already.
    assert_eq!(std::io::stdin().read(&mut [0]).unwrap(), 0);
    let Channel { mut reader, mut writer, .. } = Stdio.attach(address).await.unwrap();
    assert!(Stdio.attach(address).await.is_err(), "it is taken once");
    println!("after attach");
    print_from_children();
    copy(&mut reader, &mut writer).await.unwrap();
    writer.shutdown().await.unwrap();
    println!("last");
    exit(0);
}

fn print_from_children() {
    assert!(Command::new("echo").arg("child").status().unwrap().success());
    let own = Command::new(std::env::current_exe().unwrap()).output().unwrap();
    // What it prints is its own again: it has the variable, and not the pipes.
    assert_eq!(String::from_utf8(own.stdout).unwrap(), "constructor\ngrandchild\n");
}

fn grandchild() {
    println!("grandchild");
}

async fn nothing_that_is_printed_gets_into_a_frame() {
    let mut bound = Stdio.bind().unwrap();
    let inheritance = bound.inheritance();
    let child = Command::new(std::env::current_exe().unwrap())
        .env(VARIABLE, format!("stdio:{}", inheritance.address))
        .stdin(inheritance.stdin.unwrap())
        .stdout(inheritance.stdout.unwrap())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let Channel { mut reader, mut writer, .. } = bound.establish().await.unwrap();
    writer.write_all(b"hello").await.unwrap();
    writer.shutdown().await.unwrap();
    let mut heard = Vec::new();
    reader.read_to_end(&mut heard).await.unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(heard, b"hello", "{}", String::from_utf8_lossy(&heard));
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "constructor\nmain\nchild\nafter attach\nchild\nlast\n");
}
