//! The named pipe of Windows between real processes. Each process is this program with a role to
//! play.
#![cfg(windows)]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio, exit};

use isolated_workers_transport::{
    Bound, CHANNEL_VARIABLE, Channel, Inheritance, NamedPipe, Reconnect, Transport,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ROLE: &str = "TRANSPORT_TEST_ROLE";

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn program(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["plays_its_role", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn worker(role: &str, inheritance: Inheritance) -> Command {
    let mut command = program(role);
    command.env(CHANNEL_VARIABLE, format!("{}:{}", NamedPipe::NAME, inheritance.address));
    command.stdin(inheritance.stdin.unwrap());
    command
}

#[test]
#[ignore = "started by the other tests"]
fn plays_its_role() {
    runtime().block_on(play(&std::env::var(ROLE).unwrap()));
}

async fn play(role: &str) {
    if role == "host" {
        let mut bound = NamedPipe.bind().unwrap();
        let mut child = worker("hangup", bound.inheritance()).spawn().unwrap();
        let _channel = bound.establish().await.unwrap();
        println!("\nready");
        child.wait().unwrap();
        exit(1);
    }
    let channel = std::env::var(CHANNEL_VARIABLE).unwrap();
    let address = channel.split_once(':').unwrap().1;
    match role {
        "asked" => {
            let read = std::io::stdin().read(&mut [0]).unwrap();
            exit(i32::from(read > 0 || NamedPipe.is_inherited(address)));
        }
        "early" => exit(3),
        "asks" => assert!(program("asked").stdin(Stdio::inherit()).status().unwrap().success()),
        _ => {}
    }
    assert!(NamedPipe.is_inherited(address));
    let Channel { mut reader, mut writer, hangup, incoming, .. } = NamedPipe.attach(address).await.unwrap();
    match role {
        "dies" => {
            writer.write_all(b"x").await.unwrap();
            // Bytes in flight are lost when the process ends, so the host confirms this one.
            reader.read_u8().await.unwrap();
            std::process::abort();
        }
        "hangup" => {
            hangup.unwrap()();
            eprintln!("hung up");
        }
        "listens" => {
            let mut incoming = incoming.unwrap();
            while let Ok(1..) = tokio::io::copy(&mut reader, &mut writer).await {
                drop((reader, writer));
                Channel { reader, writer, .. } = incoming.accept().await.unwrap();
            }
        }
        _ => {
            assert_eq!(std::io::stdin().read(&mut [0]).unwrap(), 0);
            tokio::io::copy(&mut reader, &mut writer).await.unwrap();
        }
    }
    exit(0);
}

fn start(role: &str) -> (<NamedPipe as Transport>::Bound, Child) {
    let mut bound = NamedPipe.bind().unwrap();
    let child = worker(role, bound.inheritance()).spawn().unwrap();
    (bound, child)
}

/// Waits for the end of the process without blocking the runtime, which closes dropped ends.
async fn ended(mut child: Child) -> ExitStatus {
    tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap()
}

async fn echoes(role: &str, body: &[u8]) {
    let (bound, child) = start(role);
    let Channel { mut reader, mut writer, .. } = bound.establish().await.unwrap();
    let mut received = vec![0; body.len()];
    let (written, read) = tokio::join!(writer.write_all(body), reader.read_exact(&mut received));
    written.unwrap();
    read.unwrap();
    assert!(received == body);
    drop((reader, writer));
    assert!(ended(child).await.success());
}

#[test]
fn a_worker_echoes() {
    runtime().block_on(echoes("echo", b"hello"));
}

#[test]
fn a_child_of_the_worker_does_not_inherit_the_channel() {
    runtime().block_on(echoes("asks", b"hello"));
}

#[test]
fn a_large_body_goes_both_ways() {
    let body: Vec<u8> = (0..4 << 20).map(|index: u32| (index % 251) as u8).collect();
    runtime().block_on(echoes("echo", &body));
}

#[test]
fn twenty_workers_one_after_the_other_echo() {
    runtime().block_on(async {
        for _ in 0..20 {
            echoes("echo", b"hello").await;
        }
    });
}

#[test]
fn a_worker_that_exits_before_attaching_ends_the_stream() {
    runtime().block_on(async {
        let (bound, child) = start("early");
        if let Ok(mut channel) = bound.establish().await {
            assert_eq!(channel.reader.read(&mut [0]).await.unwrap(), 0);
        }
        assert_eq!(ended(child).await.code(), Some(3));
    });
}

#[test]
fn a_worker_that_dies_ends_the_stream() {
    runtime().block_on(async {
        let (bound, child) = start("dies");
        let mut channel = bound.establish().await.unwrap();
        assert_eq!(channel.reader.read_u8().await.unwrap(), b'x');
        channel.writer.write_u8(b'd').await.unwrap();
        assert_eq!(channel.reader.read(&mut [0]).await.unwrap(), 0);
        assert!(!ended(child).await.success());
    });
}

#[test]
fn a_worker_is_reached_again_and_again() {
    runtime().block_on(async {
        let (mut bound, child) = start("listens");
        let address = bound.inheritance().address;
        let mut channel = bound.establish().await.unwrap();
        for round in 0..10 {
            channel.writer.write_u8(round).await.unwrap();
            assert_eq!(channel.reader.read_u8().await.unwrap(), round);
            drop(channel);
            channel = NamedPipe.dial(&address).await.unwrap();
        }
        // The worker ends after a connection without a byte.
        drop(channel);
        assert!(ended(child).await.success());
        let gone = NamedPipe.dial(&address).await.unwrap_err();
        assert_eq!(gone.kind(), std::io::ErrorKind::NotFound);
        assert!(gone.to_string().contains("the worker has ended"), "{gone}");
    });
}

#[test]
fn a_second_dial_waits_for_the_first_connection() {
    runtime().block_on(async {
        let (mut bound, child) = start("listens");
        let address = bound.inheritance().address;
        let mut channel = bound.establish().await.unwrap();
        // A worker that answers listens already.
        channel.writer.write_u8(0).await.unwrap();
        assert_eq!(channel.reader.read_u8().await.unwrap(), 0);
        let mut first = NamedPipe.dial(&address).await.unwrap();
        let mut second = Box::pin(NamedPipe.dial(&address));
        tokio::select! {
            biased;
            dialed = &mut second => panic!("the worker accepts one at a time: {dialed:?}"),
            () = std::future::ready(()) => {}
        }
        drop(channel);
        first.writer.write_u8(1).await.unwrap();
        assert_eq!(first.reader.read_u8().await.unwrap(), 1);
        let second = second.await.unwrap();
        drop((first, second));
        assert!(ended(child).await.success());
    });
}

#[test]
fn an_invalid_address_is_an_error() {
    runtime().block_on(async {
        assert!(!NamedPipe.is_inherited("somewhere"));
        for error in
            [NamedPipe.attach("somewhere").await.unwrap_err(), NamedPipe.dial("1").await.unwrap_err()]
        {
            assert!(error.to_string().contains("a process id, a comma, a name"), "{error}");
        }
    });
}

#[test]
fn a_worker_detects_that_its_host_was_killed() {
    let mut host = program("host").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(host.stdout.take().unwrap()).lines();
    assert!(lines.map(Result::unwrap).any(|line| line.trim() == "ready"));
    host.kill().unwrap();
    host.wait().unwrap();
    let mut printed = String::new();
    host.stderr.take().unwrap().read_to_string(&mut printed).unwrap();
    assert!(printed.contains("hung up"), "{printed}");
}

#[test]
fn a_process_without_a_host_cannot_attach() {
    runtime().block_on(async {
        let mut bound = NamedPipe.bind().unwrap();
        let address = bound.inheritance().address;
        assert!(!NamedPipe.is_inherited(&address));
        assert!(NamedPipe.attach(&address).await.is_err());
    });
}
