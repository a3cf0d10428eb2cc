//! A worker whose host misbehaves. The tests play the host with the public parts of a transport.

use std::process::{Child, Command, Output, Stdio};

use isolated_workers::transport::{Bound, CHANNEL_VARIABLE, Channel, Transport, UnixSocket};
use isolated_workers_test_support::process::PidFd;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

type Stream = Channel<<UnixSocket as Transport>::Reader, <UnixSocket as Transport>::Writer>;

async fn started_without_handshake(how: &str) -> (Child, Stream) {
    let mut bound = UnixSocket.bind().unwrap();
    let inheritance = bound.inheritance();
    let child = Command::new(WORKER)
        .args([how].iter().filter(|how| !how.is_empty()))
        .env(CHANNEL_VARIABLE, format!("unix-socket:{}", inheritance.address))
        .stdin(inheritance.stdin.unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    (child, bound.establish().await.unwrap())
}

const HELLO: &str =
    r#"{"isolated-workers":1,"codec":"json","transport":"unix-socket","pid":1,"build":"test","new key":[]}"#;

/// Sends a valid hello, and checks the hello of the worker.
async fn started_with_handshake() -> (Child, Stream) {
    let (child, mut stream) = started_without_handshake("").await;
    stream.writer.write_all(format!("{HELLO}\n").as_bytes()).await.unwrap();
    let mut answer = vec![];
    while !answer.ends_with(b"\n") {
        answer.push(soon(stream.reader.read_u8()).await.unwrap());
    }
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!((&answer["codec"], &answer["pid"]), (&"json".into(), &child.id().into()));
    (child, stream)
}

async fn ended(child: Child) -> (Option<i32>, String) {
    let output: Output = tokio::task::spawn_blocking(|| child.wait_with_output().unwrap()).await.unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test]
async fn end_of_file_ends_the_worker_with_success() {
    let (child, stream) = started_with_handshake().await;
    drop(stream);
    assert_eq!(soon(ended(child)).await, (Some(0), String::new()));
}

/// Reads frames of the worker until one contains `text`.
async fn until_sent(stream: &mut Stream, text: &str) {
    let mut frames = String::new();
    while !frames.ends_with('\n') || !frames.contains(text) {
        frames.push(soon(stream.reader.read_u8()).await.unwrap().into());
    }
}

/// Starts a worker that is ready to be detached.
async fn detachable() -> (Child, Stream) {
    let (child, mut stream) = started_with_handshake().await;
    let (_, cleanup) = stream.deferred_listener.take().unwrap().open().unwrap();
    stream.cleanup = Some(cleanup);
    stream.writer.write_all(b"{\"kind\":\"go_away\",\"payload\":\"prepare_detach\"}\n").await.unwrap();
    until_sent(&mut stream, "\"prepare_detach\"").await;
    (child, stream)
}

const DETACH: &[u8] = b"{\"kind\":\"go_away\",\"payload\":\"detach\"}\n";

/// The worker reads the go-away only when its host is gone.
#[tokio::test]
async fn a_worker_whose_host_dies_before_it_hears_of_the_detach_ends() {
    let (child, mut stream) = detachable().await;
    let process = PidFd::open(child.id());
    process.signal(Signal::STOP);
    stream.writer.write_all(DETACH).await.unwrap();
    drop(stream);
    process.signal(Signal::CONT);
    soon(ended(child)).await;

    let (child, stream) = detachable().await;
    drop(stream);
    assert_eq!(soon(ended(child)).await, (Some(0), String::new()));
}

#[tokio::test]
async fn a_worker_confirms_that_it_is_detached_and_then_outlives_its_stream() {
    let (child, mut stream) = detachable().await;
    stream.writer.write_all(DETACH).await.unwrap();
    until_sent(&mut stream, "\"detach\"").await;
    let _cleanup = stream.cleanup.take();
    drop(stream);
    let process = PidFd::open(child.id());
    assert!(!process.ends_within(Duration::from_millis(800)), "a detached worker is no orphan");
    process.signal(Signal::TERM);
    assert_eq!(soon(ended(child)).await.0, Some(0));
}

/// The go-away to linger arrives with that to detach, or after its confirmation.
#[tokio::test]
async fn a_worker_that_is_kept_lingers_only_as_long_as_its_host_asked() {
    for waits in [false, true] {
        let (child, mut stream) = detachable().await;
        stream.writer.write_all(DETACH).await.unwrap();
        if waits {
            until_sent(&mut stream, "\"detach\"").await;
        }
        stream.writer.write_all(b"{\"kind\":\"go_away\",\"timeout\":50}\n").await.unwrap();
        let mut rest = vec![];
        soon(stream.reader.read_to_end(&mut rest)).await.unwrap();
        assert_eq!(soon(ended(child)).await.0, Some(0));
    }
}

#[tokio::test]
async fn a_truncated_frame_ends_the_worker_with_an_error() {
    let (child, mut stream) = started_with_handshake().await;
    stream.writer.write_all(b"{\"type\":\"echo\",\"pay").await.unwrap();
    drop(stream);
    let (code, stderr) = soon(ended(child)).await;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("the connection to the host broke"), "{stderr}");
}

#[tokio::test]
async fn an_invalid_frame_ends_the_worker_with_an_error() {
    let (child, mut stream) = started_with_handshake().await;
    stream.writer.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let (code, stderr) = soon(ended(child)).await;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("Protocol: could not decode a frame of the peer as json"), "{stderr}");
}

#[tokio::test]
async fn an_invalid_payload_fails_only_its_own_call() {
    let (child, mut stream) = started_with_handshake().await;
    let calls = "{\"type\":\"gate\",\"payload\":{\"key\"=7},\"tx\":\"1\"}\n{\"type\":\"release\",\"payload\":{\"key\":7},\"tx\":\"2\"}\n";
    stream.writer.write_all(calls.as_bytes()).await.unwrap();
    let mut answers = String::new();
    while answers.lines().count() < 2 || !answers.ends_with('\n') {
        answers.push(soon(stream.reader.read_u8()).await.unwrap().into());
    }
    assert!(answers.contains(r#""tx":"1","type":"gateError""#), "{answers}");
    assert!(answers.contains(r#""code":"IW_DECODE""#), "{answers}");
    assert!(
        answers.contains(r#""tx":"2","type":"releaseResult","kind":"reply","payload":false"#),
        "{answers}"
    );
    drop(stream);
    assert_eq!(soon(ended(child)).await, (Some(0), String::new()));
}

#[tokio::test]
async fn a_reused_id_ends_the_worker_with_an_error() {
    let (child, mut stream) = started_with_handshake().await;
    let same_id_twice = "{\"type\":\"wait\",\"tx\":\"7\"}\n".repeat(2);
    stream.writer.write_all(same_id_twice.as_bytes()).await.unwrap();
    let (code, stderr) = soon(ended(child)).await;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("could not accept `wait`: the peer reused the id 7"), "{stderr}");
}

#[tokio::test]
async fn a_host_without_a_valid_hello_ends_the_worker() {
    let (child, mut stream) = started_without_handshake("").await;
    stream.writer.write_all(b"what?\n").await.unwrap();
    let (code, stderr) = soon(ended(child)).await;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("does not speak the protocol of isolated-workers"), "{stderr}");

    let (child, _stream) = started_without_handshake("impatient").await;
    let (code, stderr) = soon(ended(child)).await;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("the host sent no hello within 50ms"), "{stderr}");
}

#[tokio::test]
async fn a_worker_reports_a_handshake_mismatch_and_still_sends_its_hello() {
    let service = services::faults::faults::SCHEMA;
    let cases = [
        (
            HELLO.replace("\"isolated-workers\":1", "\"isolated-workers\":99"),
            "the protocol of this worker is 1 (isolated-workers 0.1.0), that of the host is 99 (isolated-workers test)"
                .to_owned(),
        ),
        (
            HELLO.replace("\"json\"", "\"postcard\""),
            "the codec of this worker is json, that of the host is postcard".to_owned(),
        ),
        (
            HELLO.replace("\"unix-socket\"", "\"pigeons\""),
            "the transport of this worker is unix-socket, that of the host is pigeons".to_owned(),
        ),
        (
            HELLO.replace("\"pid\"", "\"service\":{\"service\":\"Other\",\"fingerprint\":7},\"pid\""),
            format!("the service of this worker is {service}, that of the host is Other (0000000000000007)"),
        ),
    ];
    for (hello, mismatch) in cases {
        let (child, mut stream) = started_without_handshake("").await;
        stream.writer.write_all(format!("{hello}\n").as_bytes()).await.unwrap();
        // The worker still sends its own hello, so that the host can report the mismatch too.
        let mut received = Vec::new();
        soon(stream.reader.read_to_end(&mut received)).await.unwrap();
        let own: serde_json::Value = serde_json::from_slice(&received).unwrap();
        assert_eq!((&own["isolated-workers"], &own["codec"]), (&1.into(), &"json".into()));
        let (code, stderr) = soon(ended(child)).await;
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains(&mismatch), "{stderr}\n  does not contain: {mismatch}");
    }
}
