use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use isolated_workers::error::Executed;
use isolated_workers::host::Timeouts;
use isolated_workers::transport::{NamedPipe, SocketPair, Stdio, Transport, UnixSocket};
use isolated_workers::{Error, ErrorKind};
use isolated_workers_test_support::{assert_error, process::PidFd};

use super::*;

async fn refused(program: Program) -> Error {
    let error = soon(Worker::builder(program).spawn()).await.unwrap_err();
    assert_eq!(error.executed(), Executed::No);
    error
}

#[tokio::test]
async fn each_spawn_failure_has_its_own_message() {
    let missing = refused(Program::new("/no/such/program")).await;
    assert_error(&missing, ErrorKind::Spawn, &["/no/such/program", "there is no such file"]);

    let unknown = refused(Program::new("no-such-program-in-the-path")).await;
    assert_error(&unknown, ErrorKind::Spawn, &["there is no program of this name in PATH"]);

    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain.txt");
    std::fs::write(&plain, "text").unwrap();
    std::fs::set_permissions(&plain, std::fs::Permissions::from_mode(0o644)).unwrap();
    let not_executable = refused(Program::new(&plain)).await;
    assert_error(&not_executable, ErrorKind::Spawn, &["plain.txt", "the file is not executable"]);

    let nowhere = refused(Program::new(WORKER).current_dir("/no/such/folder")).await;
    assert_error(&nowhere, ErrorKind::Spawn, &["its working directory /no/such/folder does not exist"]);
}

/// Without an end, each would start the next.
#[tokio::test]
async fn a_program_that_never_asks_if_it_is_a_worker_starts_no_further_one() {
    let never_asks = refused(Program::new(WORKER).arg("never-asks")).await;
    let cause = "this process was itself started as a worker, and has not begun to serve";
    assert_error(&never_asks, ErrorKind::Startup, &["exited with code 1", cause, "begin `main` with"]);
}

#[tokio::test]
async fn a_worker_that_exits_before_it_is_ready_reports_how() {
    let exited = refused(Program::new(WORKER).arg("exit")).await;
    assert_error(&exited, ErrorKind::Startup, &["e2e-worker", "exited with code 3 before it was ready"]);
    assert_error(&exited, ErrorKind::Startup, &["its last output:\na first line\nno luck today"]);

    let returned = refused(Program::new(WORKER).arg("return")).await;
    assert_error(&returned, ErrorKind::Startup, &["exited with code 0, probably without a call of `serve`"]);

    let half = refused(Program::new(WORKER).arg("half-a-line")).await;
    assert_error(&half, ErrorKind::Startup, &["exited with code 7"]);

    let before = Instant::now();
    refused(Program::new("false")).await;
    assert!(before.elapsed() < Duration::from_secs(5), "the start waited for the startup timeout");
}

#[tokio::test]
async fn a_worker_that_never_serves_is_killed_at_the_startup_timeout() {
    let program = Program::new(WORKER).arg("never-serve");
    let worker = Worker::builder(program).timeouts(Timeouts::default().startup(Duration::from_millis(200)));
    let error = soon(worker.spawn()).await.unwrap_err();
    assert_error(
        &error,
        ErrorKind::Startup,
        &["was not ready within 200ms and was killed", "it must call `serve`"],
    );
    let pid = format!("{error}").split_once("(pid ").unwrap().1.split_once(')').unwrap().0.parse().unwrap();
    assert!(PidFd::try_open(pid).is_none_or(|process| process.ends_within(HANG_TIMEOUT)));
}

#[tokio::test]
async fn a_handshake_mismatch_is_reported() {
    let other_codec = refused(Program::new(WORKER).arg("postcard")).await;
    assert_error(
        &other_codec,
        ErrorKind::Handshake,
        &["the codec of this host is json, that of the worker is postcard", "`.codec(…)`"],
    );

    let no_protocol = refused(Program::new(WORKER).arg("send-garbage")).await;
    assert_error(&no_protocol, ErrorKind::Handshake, &["does not speak the protocol", "HTTP/1.1 400"]);

    let hello = |protocol: u32, transport: &str| {
        let hello = serde_json::json!({
            "isolated-workers": protocol,
            "codec": "json",
            "transport": transport,
            "pid": 1,
            "build": "test",
        });
        Program::new(WORKER).args(["say", &format!("{hello}\n")])
    };
    let other_protocol = refused(hello(99, "unix-socket")).await;
    let versions =
        ["protocol of this host is 1 (isolated-workers 0.1.0)", "worker is 99 (isolated-workers test)"];
    assert_error(&other_protocol, ErrorKind::Handshake, &versions);

    let other_transport = refused(hello(1, "pigeons")).await;
    let transports = "the transport of this host is unix-socket, that of the worker is pigeons";
    assert_error(&other_transport, ErrorKind::Handshake, &[transports, "`.transport(…)`"]);

    let other = isolated_workers::protocol::Schema::new("Other", 7);
    let error = soon(worker().service(other).spawn()).await.unwrap_err();
    assert_error(
        &error,
        ErrorKind::Handshake,
        &["service of this host is Other (0000000000000007)", "Faults ("],
    );
    soon(worker().service(services::faults::faults::SCHEMA).spawn()).await.unwrap();
}

#[tokio::test]
async fn the_handshake_can_be_disabled() {
    let quiet = || Worker::builder(Program::new(WORKER).arg("no-handshake")).without_handshake();
    let worker = soon(quiet().spawn()).await.unwrap();
    let client = FaultsClient::new(worker.clone());
    assert_eq!(soon(client.count()).await.unwrap(), 1);
    worker.disconnect().await.unwrap();
    soon(worker.reconnect()).await.unwrap();
    assert_eq!(soon(client.count()).await.unwrap(), 2);
    soon(worker.close()).await.unwrap();

    // A worker that expects a handshake reads the first request as a hello.
    let worker = soon(Worker::builder(Program::new(WORKER)).without_handshake().spawn()).await.unwrap();
    let error = soon(FaultsClient::new(worker).count()).await.unwrap_err();
    assert_error(&error, ErrorKind::Crashed, &["exited with code 1 while `count` was in flight"]);
    assert!(error.crash().unwrap().stderr.contains("call `.without_handshake()`"), "{error:?}");

    // A worker that expects no handshake reads the hello of its host as a frame.
    let error = soon(Worker::builder(Program::new(WORKER).arg("no-handshake")).spawn()).await.unwrap_err();
    assert_error(
        &error,
        ErrorKind::Startup,
        &["exited with code 1 before it was ready", "could not decode a frame"],
    );

    let error = soon(quiet().service(services::faults::faults::SCHEMA).spawn()).await.unwrap_err();
    assert_error(
        &error,
        ErrorKind::Config,
        &["could not check that the worker serves Faults", "remove one of the two"],
    );
}

#[tokio::test]
async fn a_worker_program_started_by_hand_explains_itself() {
    let alone = tokio::process::Command::new(WORKER).output().await.unwrap();
    let stderr = String::from_utf8_lossy(&alone.stderr).into_owned();
    assert!(!alone.status.success());
    assert!(stderr.contains("this program is a worker and was not started by a host"), "{stderr}");
}

#[tokio::test]
async fn an_invalid_setting_is_refused_before_the_program_starts() {
    let error = soon(worker().limits(Limits::default().frame(10)).spawn()).await.unwrap_err();
    assert_error(&error, ErrorKind::Config, &["invalid `Limits::frame` of 10 bytes"]);
}

#[tokio::test]
async fn many_workers_start_concurrently() {
    let workers = soon(join_all((0..64).map(|_| worker().spawn()))).await;
    for worker in workers {
        worker.unwrap().close().await.unwrap();
    }
}

#[tokio::test]
async fn a_worker_inherits_only_its_connection() {
    // Workers that start concurrently must not inherit each other's descriptors.
    let workers = soon(join_all((0..8).map(|_| worker().spawn()))).await;
    for worker in workers {
        let client = FaultsClient::new(worker.unwrap());
        let descriptors = client.descriptors().await.unwrap();
        let sockets = descriptors.iter().filter(|target| target.starts_with("socket:")).count();
        // The listener, the connection and its copy for the orphan guard make three. The signal
        // sockets of tokio make four, two of them for the thread of the signal listener.
        assert!(sockets <= 7, "{descriptors:?}");
        let files =
            descriptors.iter().filter(|target| target.starts_with('/') && !target.starts_with("/dev/"));
        assert!(files.clone().all(|file| file.starts_with("/proc/")), "{descriptors:?}");
    }
}

#[tokio::test]
async fn a_child_started_before_serve_does_not_find_the_connection() {
    async fn starts_with_a_reading_child<T: Transport>(transport: T) {
        let program = Program::new(WORKER).arg("reading-child");
        let worker = soon(Worker::builder(program).transport(transport).spawn()).await.unwrap();
        assert_eq!(soon(FaultsClient::new(worker.clone()).count()).await.unwrap(), 1);
        soon(worker.close()).await.unwrap();
    }
    starts_with_a_reading_child(UnixSocket).await;
    starts_with_a_reading_child(SocketPair).await;
    starts_with_a_reading_child(Stdio).await;
    starts_with_a_reading_child(NamedPipe).await;
    let folder = tempfile::tempdir().unwrap();
    starts_with_a_reading_child(UnixSocket::at(folder.path().join("socket"))).await;
}

#[tokio::test]
async fn a_worker_closes_descriptors_that_its_host_inherited() {
    // An inheritable descriptor, like one that this process was started with.
    let mut stray = tempfile::NamedTempFile::new().unwrap();
    rustix::io::fcntl_setfd(stray.as_file_mut(), rustix::io::FdFlags::empty()).unwrap();
    // A descriptor with a high number.
    let far = rustix::io::fcntl_dupfd_cloexec(&stray, 300).unwrap();
    rustix::io::fcntl_setfd(&far, rustix::io::FdFlags::empty()).unwrap();
    let path = stray.path().display().to_string();
    assert_inherited_only_on_request(UnixSocket, &path).await;
    assert_inherited_only_on_request(SocketPair, &path).await;
    assert_inherited_only_on_request(Stdio, &path).await;
    assert_inherited_only_on_request(NamedPipe, &path).await;
    drop(far);
    assert_inherited_only_on_request(UnixSocket, &path).await;
}

async fn assert_inherited_only_on_request<T: Transport>(transport: T, stray: &String) {
    for (program, keeps) in
        [(Program::new(WORKER), false), (Program::new(WORKER).inherit_descriptors(), true)]
    {
        let worker = soon(Worker::builder(program).transport(transport.clone()).spawn()).await.unwrap();
        let descriptors = FaultsClient::new(worker).descriptors().await.unwrap();
        assert_eq!(descriptors.contains(stray), keeps, "{}: {descriptors:?}", T::NAME);
    }
}
