//! What holds for every transport that reaches a process.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};

use isolated_workers_transport::{Bound, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::{assert_no_file, file, last_words, program, runtime, start, with_transport};

/// A test for each transport.
macro_rules! every {
    ($($test:ident),* $(,)?) => {
        every!(@ unix_socket "unix-socket" $($test)*);
        every!(@ socket_pair "socket-pair" $($test)*);
        every!(@ stdio "stdio" $($test)*);
        every!(@ named_pipe "named-pipe" $($test)*);
    };
    (@ $module:ident $name:literal $($test:ident)*) => {
        mod $module {
            $(
                #[test]
                fn $test() {
                    super::with_transport!($name, transport => super::$test(&transport));
                }
            )*
        }
    };
}

every!(
    echoes_and_leaves_nothing,
    a_large_body_goes_both_ways,
    a_worker_that_ends_before_it_attaches_is_noticed,
    a_worker_that_dies_ends_the_stream,
    a_worker_hangs_up_when_its_host_is_killed,
    a_worker_that_attaches_to_a_dead_host_is_told,
    a_closed_direction_is_no_hangup,
    a_worker_can_close_its_direction_alone,
    a_child_of_the_worker_has_inherited_nothing,
    only_the_standard_streams_reach_a_child_of_the_worker,
    rounds_leave_nothing,
    an_end_that_is_never_used_leaves_nothing,
    a_process_without_a_host_has_inherited_nothing,
);

fn echoes_and_leaves_nothing<T: Transport>(transport: &T) {
    let (bound, mut child, address) = start(transport, "echo");
    runtime().block_on(async {
        let mut channel = bound.establish().await.unwrap();
        channel.writer.write_all(b"hello").await.unwrap();
        channel.writer.shutdown().await.unwrap();
        let mut heard = Vec::new();
        channel.reader.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"hello");
    });
    assert!(child.wait().unwrap().success());
    assert_no_file(&address);
}

fn a_large_body_goes_both_ways<T: Transport>(transport: &T) {
    let (bound, mut child, _) = start(transport, "echo");
    let body: Vec<u8> = (0..8 << 20).map(|index: u32| (index % 251) as u8).collect();
    runtime().block_on(async {
        let mut channel = bound.establish().await.unwrap();
        let write = async {
            channel.writer.write_all(&body).await.unwrap();
            channel.writer.shutdown().await.unwrap();
        };
        let mut heard = Vec::new();
        let read = channel.reader.read_to_end(&mut heard);
        let ((), read) = tokio::join!(write, read);
        read.unwrap();
        assert!(heard == body);
    });
    assert!(child.wait().unwrap().success());
}

/// Either `establish` fails or the stream ends: nothing waits.
fn a_worker_that_ends_before_it_attaches_is_noticed<T: Transport>(transport: &T) {
    let (bound, mut child, address) = start(transport, "early");
    runtime().block_on(async {
        if let Ok(mut channel) = bound.establish().await {
            let end = channel.reader.read(&mut [0]).await;
            assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
        }
    });
    assert_eq!(child.wait().unwrap().code(), Some(3));
    assert_no_file(&address);
}

fn a_worker_that_dies_ends_the_stream<T: Transport>(transport: &T) {
    let (bound, mut child, address) = start(transport, "dies");
    runtime().block_on(async {
        let mut channel = bound.establish().await.unwrap();
        let mut heard = Vec::new();
        // What it said is not lost. How its stream ends is the system's choice.
        let _ = channel.reader.read_to_end(&mut heard).await;
        assert_eq!(heard, b"x");
    });
    assert!(!child.wait().unwrap().success());
    assert_no_file(&address);
}

/// A host with a temporary folder of its own, and a worker that has attached unless its role is to do so late.
fn host<T: Transport>(_: &T, role: &str, temporary: &tempfile::TempDir) -> Child {
    let mut host = program(&format!("host {}", T::NAME))
        .env("TRANSPORT_TEST_WORKER", role)
        .env("TRANSPORT_TEST_SIGNAL", temporary.path().with_extension("signal"))
        .env("TMPDIR", temporary.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(host.stdout.take().unwrap()).lines();
    assert!(lines.map(Result::unwrap).any(|line| line == "ready"), "{}", last_words(&mut host));
    host
}

fn a_worker_hangs_up_when_its_host_is_killed<T: Transport>(transport: &T) {
    let temporary = tempfile::tempdir().unwrap();
    let mut host = host(transport, "hangup", &temporary);
    host.kill().unwrap();
    host.wait().unwrap();
    assert!(last_words(&mut host).contains("hung up"));
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

fn a_worker_that_attaches_to_a_dead_host_is_told<T: Transport>(transport: &T) {
    let temporary = tempfile::tempdir().unwrap();
    let signal = temporary.path().with_extension("signal");
    make_fifo(&signal);
    let mut host = host(transport, "late", &temporary);
    host.kill().unwrap();
    host.wait().unwrap();
    std::fs::OpenOptions::new().write(true).open(&signal).unwrap().write_all(b"now\n").unwrap();
    let said = last_words(&mut host);
    std::fs::remove_file(signal).unwrap();
    assert!(said.contains("host gone"), "{said}");
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

fn make_fifo(path: &std::path::Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn a_closed_direction_is_no_hangup<T: Transport>(transport: &T) {
    let (bound, mut child, address) = start(transport, "half");
    runtime().block_on(async {
        let mut channel = bound.establish().await.unwrap();
        channel.writer.shutdown().await.unwrap();
        let mut heard = [0; 5];
        channel.reader.read_exact(&mut heard).await.unwrap();
        assert_eq!(&heard, b"quiet");
        drop((channel.reader, channel.writer));
        assert_eq!(child.wait().unwrap().code(), Some(7));
    });
    assert_no_file(&address);
}

fn a_worker_can_close_its_direction_alone<T: Transport>(transport: &T) {
    let (bound, mut child, _) = start(transport, "closes");
    runtime().block_on(async {
        let mut channel = bound.establish().await.unwrap();
        assert_eq!(channel.reader.read(&mut [0]).await.unwrap(), 0);
        // It is there, and waits for this.
        channel.writer.write_all(b"x").await.unwrap();
        assert!(child.wait().unwrap().success());
    });
}

fn a_child_of_the_worker_has_inherited_nothing<T: Transport>(transport: &T) {
    let (bound, mut child, _) = start(transport, "asks");
    runtime().block_on(async {
        let mut channel = bound.establish().await.unwrap();
        channel.writer.shutdown().await.unwrap();
        let mut heard = Vec::new();
        channel.reader.read_to_end(&mut heard).await.unwrap();
        assert_eq!(heard, b"");
    });
    let status = child.wait().unwrap();
    assert!(status.success(), "{}", last_words(&mut child));
}

fn only_the_standard_streams_reach_a_child_of_the_worker<T: Transport>(transport: &T) {
    let (bound, mut child, _) = start(transport, "descriptors");
    runtime().block_on(async {
        let mut channel = bound.establish().await.unwrap();
        channel.writer.shutdown().await.unwrap();
        assert_eq!(channel.reader.read(&mut [0]).await.unwrap(), 0);
    });
    let said = last_words(&mut child);
    // The last one is that of the listing. Those that whoever runs the tests may have open do not get here.
    assert!(said.contains("descriptors: 0 1 2 3 \n"), "{said}");
    child.wait().unwrap();
}

fn rounds_leave_nothing<T: Transport>(_: &T) {
    let temporary = tempfile::tempdir().unwrap();
    let output = program(&format!("rounds {}", T::NAME)).env("TMPDIR", temporary.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn an_end_that_is_never_used_leaves_nothing<T: Transport>(transport: &T) {
    runtime().block_on(async {
        let mut bound = transport.bind().unwrap();
        let inheritance = bound.inheritance();
        let address = inheritance.address.clone();
        assert_eq!(file(&address).is_some(), T::NAME == "named-pipe");
        drop((bound, inheritance));
        assert_no_file(&address);
    });
}

fn a_process_without_a_host_has_inherited_nothing<T: Transport>(transport: &T) {
    runtime().block_on(async {
        let mut bound = transport.bind().unwrap();
        let address = bound.inheritance().address;
        assert!(!transport.is_inherited(&address));
        assert!(transport.attach(&address).await.is_err());
    });
}
