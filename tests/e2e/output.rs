mod recorder;

use std::io::Read;
use std::process::{Child, Stdio};

use isolated_workers::driver::Output;
use isolated_workers::testing::conformance::alone;
use rustix::process::Signal;

use self::recorder::{Line, Recorder};
use isolated_workers_test_support::block_on;
use isolated_workers_test_support::process::{PidFd, peak_resident_kib};

use super::*;

/// Number of bytes that the host keeps of each stream.
const KEPT_BYTES: usize = 64 << 10;

async fn printing(output: Output) -> (Worker, FaultsClient<Worker>) {
    let program = Program::new(WORKER).stdout(output).stderr(output);
    let worker = soon(Worker::builder(program).spawn()).await.unwrap();
    let client = FaultsClient::new(worker.clone());
    (worker, client)
}

/// Calls the worker until the condition holds. Each reply is an event, so no timer is needed.
async fn until(client: &FaultsClient<Worker>, condition: impl Fn() -> bool) {
    soon(async {
        while !condition() {
            client.waiting().await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn captured_output_is_readable_while_the_worker_runs_and_after() {
    let (worker, client) = printing(Output::Capture).await;
    assert_eq!((worker.stdout(), worker.stderr()), (String::new(), String::new()));
    client.write(false, "one\n".into()).await.unwrap();
    client.write(true, "two".into()).await.unwrap();
    until(&client, || worker.stdout() == "one\n" && worker.stderr() == "two").await;
    client.write(false, "three".into()).await.unwrap();
    soon(worker.close()).await.unwrap();
    assert_eq!((worker.stdout(), worker.stderr()), ("one\nthree".into(), "two".into()));
}

#[tokio::test]
async fn discarded_output_is_empty() {
    let (worker, client) = printing(Output::Discard).await;
    client.print("discarded".into()).await.unwrap();
    soon(worker.close()).await.unwrap();
    assert_eq!((worker.stdout(), worker.stderr()), (String::new(), String::new()));
}

#[tokio::test]
async fn output_after_the_end_of_the_connection_is_captured() {
    for output in [Output::Capture, Output::Trace] {
        let (worker, client) = printing(output).await;
        // More than a pipe holds, so the worker cannot end before the host has read it.
        client.write_last(1 << 20).await.unwrap();
        soon(worker.close()).await.unwrap();
        let end = worker.stdout();
        assert!(end.ends_with("xthe end\n"), "{output:?}: {} bytes", end.len());
        assert_eq!(end.len(), KEPT_BYTES);
    }
}

/// Runs in its own process, because it measures the memory of the whole process.
#[test]
fn a_flood_of_output_neither_blocks_the_worker_nor_fills_memory() {
    alone(concat!(module_path!(), "::a_flood_of_output_neither_blocks_the_worker_nor_fills_memory"), flood);
}

fn flood() {
    block_on(async {
        for output in [Output::Capture, Output::Trace] {
            let (worker, client) = printing(output).await;
            soon(client.flood(1)).await.unwrap();
            let before = peak_resident_kib();
            soon(client.flood(128)).await.unwrap();
            soon(worker.close()).await.unwrap();
            let kept = "x".repeat(KEPT_BYTES);
            assert!(worker.stdout() == kept && worker.stderr() == kept);
            let more = peak_resident_kib() - before;
            assert!(more < 4 << 10, "{output:?}: 256 MiB of output took {more} KiB of memory");
        }
    });
}

#[tokio::test]
async fn traced_lines_are_events_with_pid_name_and_stream() {
    let recorder = Recorder::default();
    let _guard = tracing::subscriber::set_default(recorder.clone());
    let (worker, client) = printing(Output::Trace).await;
    client.write(false, "one\r\n\ntwo\n".into()).await.unwrap();
    until(&client, || recorder.lines().len() == 3).await;
    client.write(true, "no end".into()).await.unwrap();
    soon(worker.close()).await.unwrap();
    let line = |level, stream: &str, text: &str| Line {
        level,
        pid: worker.pid().into(),
        name: "e2e-worker".into(),
        stream: stream.into(),
        text: text.into(),
    };
    let info = tracing::Level::INFO;
    let expected = [
        line(info, "stdout", "one"),
        line(info, "stdout", ""),
        line(info, "stdout", "two"),
        line(tracing::Level::WARN, "stderr", "no end"),
    ];
    assert_eq!(recorder.lines(), expected);
}

#[tokio::test]
async fn a_character_split_between_reads_is_traced_whole() {
    let recorder = Recorder::default();
    let _guard = tracing::subscriber::set_default(recorder.clone());
    let (worker, client) = printing(Output::Trace).await;
    client.write(false, b"gr\xc3"[..].into()).await.unwrap();
    // The host reads the first half before the worker writes the second.
    until(&client, || worker.stdout() == "gr\u{fffd}").await;
    client.write(false, b"\xbc\xc3\x9fe, \xff\n"[..].into()).await.unwrap();
    soon(worker.close()).await.unwrap();
    assert_eq!(recorder.texts(), ["grüße, \u{fffd}"]);
    assert_eq!(worker.stdout(), "grüße, \u{fffd}\n");
}

#[tokio::test]
async fn a_long_line_is_cut_between_characters_and_marked() {
    let recorder = Recorder::default();
    let _guard = tracing::subscriber::set_default(recorder.clone());
    let (worker, client) = printing(Output::Trace).await;
    let full = "x".repeat(8 << 10);
    client.write(false, format!("{full}\nx{}\nnext\n", "ü".repeat(100_000)).into()).await.unwrap();
    soon(worker.close()).await.unwrap();
    let cut = format!("x{} … [the rest of the line is omitted]", "ü".repeat((4 << 10) - 1));
    assert!(recorder.texts() == [full, cut, "next".into()], "{:?}", recorder.texts());
}

#[tokio::test]
async fn a_crash_reports_the_last_output_with_every_policy() {
    for output in [Output::Keep, Output::Capture, Output::Trace] {
        let (worker, client) = printing(output).await;
        client.write(true, format!("{}\n", "y".repeat(5000)).into()).await.unwrap();
        client.write(true, "out of cheese\n".into()).await.unwrap();
        let error = soon(client.exit(1)).await.unwrap_err();
        assert!(error.to_string().ends_with("; its last output: out of cheese"), "{output:?}: {error}");
        let stderr = &error.crash().unwrap().stderr;
        assert_eq!((stderr.len(), stderr.lines().count()), (4 << 10, 2), "{output:?}");
        assert!(worker.stderr().ends_with("y\nout of cheese\n"), "{output:?}");
    }
}

#[tokio::test]
async fn a_child_that_holds_the_streams_does_not_delay_the_end() {
    let (worker, client) = printing(Output::Capture).await;
    let child = PidFd::open(client.start_child_apart().await.unwrap());
    client.print("last words".into()).await.unwrap();
    let error = soon(client.exit(1)).await.unwrap_err();
    assert_eq!(error.crash().unwrap().stderr, "last words");
    soon(worker.closed()).await;
    assert_eq!(worker.stdout(), "last words");
    assert!(!child.has_ended());
    child.signal(Signal::KILL);
}

#[test]
fn inherited_and_kept_output_appears_in_the_streams_of_the_host() {
    for (policy, appears) in [("inherit", true), ("keep", true), ("discard", false), ("capture", false)] {
        let host = std::process::Command::new(env!("CARGO_BIN_EXE_e2e-host"))
            .args([WORKER, "prints", policy])
            .output()
            .unwrap();
        assert!(host.status.success(), "{host:?}");
        let (stdout, stderr) = if appears { ("to the output", "to the error") } else { ("", "") };
        assert_eq!((&*host.stdout, &*host.stderr), (stdout.as_bytes(), stderr.as_bytes()), "{policy}");
    }
}

/// The streams of the host are pipes that nobody reads. A write to them never returns.
#[test]
fn a_host_whose_streams_block_ends() {
    for policy in ["keep", "capture"] {
        let mut host = std::process::Command::new(env!("CARGO_BIN_EXE_e2e-host"))
            .args([WORKER, "floods", policy])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let process = PidFd::open(host.id());
        let has_ended = process.ends_within(HANG_TIMEOUT);
        let _ = host.kill();
        assert!(host.wait().unwrap().success() && has_ended, "{policy}: the host hangs");
    }
}

#[test]
fn printing_is_harmless_if_nobody_reads_the_streams_of_the_host() {
    for state in ["prints", "prints-without-reader"] {
        let (stdout, stderr) = (std::io::pipe().unwrap(), std::io::pipe().unwrap());
        let mut host = std::process::Command::new(env!("CARGO_BIN_EXE_e2e-host"))
            .args([WORKER, state, "keep"])
            .stdout(stdout.1)
            .stderr(stderr.1)
            .spawn()
            .unwrap();
        drop((stdout.0, stderr.0));
        let status = host.wait().unwrap();
        assert!(status.success(), "{state}: {status}");
    }
}

/// Starts a host whose worker prints 1 MiB to each stream. The host ends with its standard input.
/// It is killed if it hangs.
fn printing_host(state: &str, stdout: Stdio, stderr: Stdio) -> Child {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_e2e-host"));
    command.args([WORKER, state, ""]).stdin(Stdio::piped()).stdout(stdout).stderr(stderr);
    let host = command.spawn().unwrap();
    let process = PidFd::open(host.id());
    std::thread::spawn(move || process.ends_within(HANG_TIMEOUT) || process.try_signal(Signal::KILL).is_ok());
    host
}

/// Reads 1 MiB in small parts, so that the pipe is full most of the time.
fn read_mebibyte(mut stream: impl Read) {
    let mut part = [0; 4 << 10];
    for _ in 0..(1 << 20) / part.len() {
        stream.read_exact(&mut part).expect("the whole output of the worker");
        std::thread::yield_now();
    }
}

/// Code of a host may hold the lock of a stream while it waits for a worker that prints.
#[test]
fn a_worker_prints_while_its_host_holds_the_locks_of_its_streams() {
    let mut host = printing_host("prints-locked", Stdio::piped(), Stdio::piped());
    let stderr = host.stderr.take().unwrap();
    let errors = std::thread::spawn(move || read_mebibyte(stderr));
    read_mebibyte(host.stdout.take().unwrap());
    errors.join().unwrap();
    drop(host.stdin.take());
    assert!(host.wait().unwrap().success());
}

#[test]
fn a_stream_of_the_host_that_does_not_block_loses_nothing() {
    let (reader, writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    let mut host = printing_host("prints-much", writer.into(), Stdio::null());
    read_mebibyte(reader);
    drop(host.stdin.take());
    assert!(host.wait().unwrap().success());
}

#[tokio::test]
async fn both_streams_go_through_the_host_by_default() {
    let (worker, client) = started().await;
    client.print("a line\n".into()).await.unwrap();
    soon(worker.close()).await.unwrap();
    assert_eq!((worker.stdout(), worker.stderr()), ("a line\n".into(), "a line\n".into()));
}
