//! Properties of every transport that reaches another process.

use std::io::{self, BufRead, BufReader, Write};
use std::pin::Pin;
use std::process::{Child, Stdio};

use isolated_workers_transport::{Bound, Transport, TryRead};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};

use super::support::{assert_no_file, file, program, runtime, start, stderr_of, with_transport};

/// Generates each test once for each transport.
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
    an_echoing_worker_leaves_no_file,
    bytes_can_be_read_before_the_runtime_reports_them,
    a_large_body_goes_both_ways,
    a_large_body_goes_both_ways_without_a_free_descriptor,
    a_shortage_leaves_no_file_at_any_step,
    a_write_to_a_dead_worker_raises_no_signal,
    nothing_is_in_the_standard_input_of_a_child_before_the_worker_attaches,
    a_worker_that_exits_before_attaching_is_detected,
    a_worker_that_dies_ends_the_stream,
    a_worker_detects_that_its_host_was_killed,
    attaching_to_a_dead_host_fails_or_reads_the_end,
    a_closed_direction_is_not_a_hangup,
    a_worker_can_close_its_direction_alone,
    a_child_of_the_worker_does_not_inherit_the_channel,
    a_child_of_the_worker_has_only_the_standard_streams,
    two_hundred_workers_leak_no_descriptor_and_no_file,
    an_unused_end_leaves_no_file,
    a_process_without_a_host_cannot_attach,
);

/// Reads what has arrived. `None`: nothing has.
fn try_read(reader: &mut (impl TryRead + Unpin)) -> Option<Vec<u8>> {
    let mut bytes = [0; 16];
    let mut buf = ReadBuf::new(&mut bytes);
    match Pin::new(reader).try_read(&mut buf) {
        Ok(()) => Some(buf.filled().to_vec()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        Err(error) => panic!("{error}"),
    }
}

/// The thread never returns to the runtime in between.
fn bytes_can_be_read_before_the_runtime_reports_them<T: Transport>(transport: &T) {
    let (bound, mut child, _) = start(transport, "echo");
    runtime().block_on(async {
        let mut channel = bound.establish().await.unwrap();
        assert_eq!(try_read(&mut channel.reader), None);
        channel.writer.write_all(b"hello").await.unwrap();
        let mut received = Vec::new();
        while received.len() < 5 {
            received.extend(try_read(&mut channel.reader).unwrap_or_default());
            std::thread::yield_now();
        }
        assert_eq!(received, b"hello");
        channel.writer.shutdown().await.unwrap();
        while try_read(&mut channel.reader) != Some(Vec::new()) {
            std::thread::yield_now();
        }
    });
    assert!(child.wait().unwrap().success());
}

fn an_echoing_worker_leaves_no_file<T: Transport>(transport: &T) {
    let (bound, mut child, address) = start(transport, "echo");
    runtime().block_on(async {
        let mut channel = bound.establish().await.unwrap();
        channel.writer.write_all(b"hello").await.unwrap();
        channel.writer.shutdown().await.unwrap();
        let mut received = Vec::new();
        channel.reader.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"hello");
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
        let mut received = Vec::new();
        let read = channel.reader.read_to_end(&mut received);
        let ((), read) = tokio::join!(write, read);
        read.unwrap();
        assert!(received == body);
    });
    assert!(child.wait().unwrap().success());
}

/// Plays a role in a process of its own, which must succeed.
fn assert_role_succeeds<T: Transport>(role: &str) {
    let temporary = tempfile::tempdir().unwrap();
    let output = program(&format!("{role} {}", T::NAME)).env("TMPDIR", temporary.path()).output().unwrap();
    assert!(output.status.success(), "{}: {}", output.status, String::from_utf8_lossy(&output.stderr));
}

/// Neither the host nor the worker has one.
fn a_large_body_goes_both_ways_without_a_free_descriptor<T: Transport>(_: &T) {
    assert_role_succeeds::<T>("starved-host");
}

fn a_shortage_leaves_no_file_at_any_step<T: Transport>(_: &T) {
    assert_role_succeeds::<T>("starved-start");
}

fn a_write_to_a_dead_worker_raises_no_signal<T: Transport>(_: &T) {
    assert_role_succeeds::<T>("sigpipe");
}

/// The host has sent its first bytes by then.
fn nothing_is_in_the_standard_input_of_a_child_before_the_worker_attaches<T: Transport>(transport: &T) {
    let (bound, mut child, _) = start(transport, "child-reads");
    runtime().block_on(async {
        let establish = async {
            let mut channel = bound.establish().await.unwrap();
            channel.writer.write_all(b"a secret").await.unwrap();
            channel.writer.shutdown().await.unwrap();
            let mut received = String::new();
            channel.reader.read_to_string(&mut received).await.unwrap();
            assert_eq!(received, "a secret");
        };
        establish.await;
    });
    assert!(child.wait().unwrap().success(), "{}", stderr_of(&mut child));
}

/// Either `establish` fails or the stream ends; nothing hangs.
fn a_worker_that_exits_before_attaching_is_detected<T: Transport>(transport: &T) {
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
        let mut received = Vec::new();
        // Sent bytes are not lost. Whether the stream ends with an error depends on the system.
        let _ = channel.reader.read_to_end(&mut received).await;
        assert_eq!(received, b"x");
    });
    assert!(!child.wait().unwrap().success());
    assert_no_file(&address);
}

/// Starts a host with a separate temporary directory. Its worker has attached, unless the role is
/// "late".
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
    assert!(lines.map(Result::unwrap).any(|line| line == "ready"), "{}", stderr_of(&mut host));
    host
}

fn a_worker_detects_that_its_host_was_killed<T: Transport>(transport: &T) {
    let temporary = tempfile::tempdir().unwrap();
    let mut host = host(transport, "hangup", &temporary);
    host.kill().unwrap();
    host.wait().unwrap();
    assert!(stderr_of(&mut host).contains("hung up"));
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

fn attaching_to_a_dead_host_fails_or_reads_the_end<T: Transport>(transport: &T) {
    let temporary = tempfile::tempdir().unwrap();
    let signal = temporary.path().with_extension("signal");
    mkfifo(&signal);
    let mut host = host(transport, "late", &temporary);
    host.kill().unwrap();
    host.wait().unwrap();
    std::fs::OpenOptions::new().write(true).open(&signal).unwrap().write_all(b"now\n").unwrap();
    let printed = stderr_of(&mut host);
    std::fs::remove_file(signal).unwrap();
    assert!(printed.contains("host gone"), "{printed}");
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

fn mkfifo(path: &std::path::Path) {
    assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn a_closed_direction_is_not_a_hangup<T: Transport>(transport: &T) {
    let (bound, mut child, address) = start(transport, "half");
    runtime().block_on(async {
        let mut channel = bound.establish().await.unwrap();
        channel.writer.shutdown().await.unwrap();
        let mut received = [0; 5];
        channel.reader.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"quiet");
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
        // The worker is still running and waits for this byte.
        channel.writer.write_all(b"x").await.unwrap();
        assert!(child.wait().unwrap().success());
    });
}

fn a_child_of_the_worker_does_not_inherit_the_channel<T: Transport>(transport: &T) {
    let (bound, mut child, _) = start(transport, "asks");
    runtime().block_on(async {
        let mut channel = bound.establish().await.unwrap();
        channel.writer.shutdown().await.unwrap();
        let mut received = Vec::new();
        channel.reader.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"");
    });
    let status = child.wait().unwrap();
    assert!(status.success(), "{}", stderr_of(&mut child));
}

fn a_child_of_the_worker_has_only_the_standard_streams<T: Transport>(transport: &T) {
    let (bound, mut child, _) = start(transport, "descriptors");
    runtime().block_on(async {
        let mut channel = bound.establish().await.unwrap();
        channel.writer.shutdown().await.unwrap();
        assert_eq!(channel.reader.read(&mut [0]).await.unwrap(), 0);
    });
    let printed = stderr_of(&mut child);
    // 3 is the descriptor of the listing. Those that the test runner has open do not reach the
    // worker.
    assert!(printed.contains("descriptors: 0 1 2 3 \n"), "{printed}");
    child.wait().unwrap();
}

fn two_hundred_workers_leak_no_descriptor_and_no_file<T: Transport>(_: &T) {
    let temporary = tempfile::tempdir().unwrap();
    let output = program(&format!("rounds {}", T::NAME)).env("TMPDIR", temporary.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn an_unused_end_leaves_no_file<T: Transport>(transport: &T) {
    runtime().block_on(async {
        let mut bound = transport.bind().unwrap();
        let inheritance = bound.inheritance();
        let address = inheritance.address.clone();
        assert_eq!(file(&address).is_some(), T::NAME == "named-pipe");
        drop((bound, inheritance));
        assert_no_file(&address);
    });
}

fn a_process_without_a_host_cannot_attach<T: Transport>(transport: &T) {
    runtime().block_on(async {
        let mut bound = transport.bind().unwrap();
        let address = bound.inheritance().address;
        assert!(!transport.is_inherited(&address));
        assert!(transport.attach(&address).await.is_err());
    });
}
