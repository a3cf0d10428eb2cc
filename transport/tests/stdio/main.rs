//! A worker on `Stdio` in which everything prints: a constructor, `main`, a C library, a child, and
//! `main` again after it has attached. It links no more of the transport crate than a usual worker.

mod printers;
#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod system;

use std::io::Read;
use std::process::{Command, exit};

use isolated_workers_transport::{Bound, CHANNEL_VARIABLE, Channel, Stdio, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use self::printers::print_in_c;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match std::env::var(CHANNEL_VARIABLE).ok().as_deref().and_then(|channel| channel.split_once(':')) {
        Some((_, address)) if Stdio.is_inherited(address) => runtime.block_on(worker(address)),
        Some(_) => grandchild(),
        None => {
            runtime.block_on(printed_text_never_enters_a_frame());
            println!("printed text never enters a frame: ok");
        }
    }
}

async fn worker(address: &str) {
    println!("main");
    print_in_c(c"c");
    print_from_children();
    // The standard input is empty already.
    assert_eq!(std::io::stdin().read(&mut [0]).unwrap(), 0);
    let Channel { mut reader, mut writer, .. } = Stdio.attach(address).await.unwrap();
    assert!(Stdio.attach(address).await.is_err(), "a worker attaches once");
    println!("after attach");
    print_in_c(c"c again");
    print_from_children();
    let mut received = [0; 5];
    reader.read_exact(&mut received).await.unwrap();
    writer.write_all(&received).await.unwrap();
    writer.shutdown().await.unwrap();
    println!("last");
    // The other direction stays open until the host has read the end of this one.
    assert_eq!(reader.read(&mut [0]).await.unwrap(), 0);
    exit(0);
}

fn print_from_children() {
    assert!(system::echo("child").status().unwrap().success());
    let own = Command::new(std::env::current_exe().unwrap()).output().unwrap();
    // Its output is captured here: it has the variable, but not the pipes.
    assert_eq!(lines(own.stdout), "constructor\ngrandchild\n");
}

fn grandchild() {
    println!("grandchild");
}

async fn printed_text_never_enters_a_frame() {
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
    let mut received = Vec::new();
    reader.read_to_end(&mut received).await.unwrap();
    writer.shutdown().await.unwrap();
    // The runtime must not block: on Windows it closes a dropped end the next time it runs.
    let output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(received, b"hello", "{}", String::from_utf8_lossy(&received));
    let printed = lines(output.stderr);
    assert_eq!(printed, "constructor\nmain\nc\nchild\nafter attach\nc again\nchild\nlast\n");
}

/// Returns the printed text with line feeds only.
fn lines(printed: Vec<u8>) -> String {
    String::from_utf8(printed).unwrap().replace("\r\n", "\n")
}
