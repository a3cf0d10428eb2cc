use isolated_workers::driver::{Attach, Output, Thread};
use isolated_workers::error::ExitReason;
use isolated_workers::host::OnCrash;
use isolated_workers::transport::{SocketPair, Stdio, Transport, UnixSocket};
use isolated_workers::{CallError, ErrorKind, serve_with};
use isolated_workers_test_support::process::PidFd;
use isolated_workers_test_support::{Fifo, assert_error};
use rustix::process::Signal;

use super::services::life::{Config, Life, Living};
use super::*;

fn config() -> Config {
    Config { secret: "open sesame".into(), ..Config::default() }
}

fn program() -> Program {
    Program::new(LIFE_WORKER)
}

async fn arrives_over<T: Transport>(transport: T) {
    // More than a pipe holds, so both sides must read while they write.
    let config = Config { secret: "x".repeat(5 << 20), ..config() };
    let builder = Worker::builder(program()).transport(transport).startup_data(config.clone());
    let worker = soon(builder.spawn()).await.unwrap();
    assert!(soon(LifeClient::new(worker.clone()).config()).await.unwrap() == config, "{}", T::NAME);
    soon(worker.close()).await.unwrap();
}

#[tokio::test]
async fn startup_data_reaches_the_worker_on_every_transport() {
    arrives_over(UnixSocket).await;
    arrives_over(UnixSocket::bound_by_worker()).await;
    arrives_over(SocketPair).await;
    arrives_over(Stdio).await;
    arrives_over(isolated_workers::transport::NamedPipe).await;
}

#[tokio::test]
async fn startup_data_is_encoded_by_the_codec_that_is_set_last() {
    let builder = Worker::builder(program().arg("postcard")).startup_data(config());
    let worker = soon(builder.codec(Postcard).spawn()).await.unwrap();
    assert_eq!(soon(LifeClient::new(worker).config()).await.unwrap(), config());
}

#[tokio::test]
async fn a_thread_worker_receives_startup_data() {
    let thread = Thread::new(|| async {
        serve_with(async |config: Config| {
            Ok::<_, std::convert::Infallible>(Living { config, ..Living::default() }.into_service())
        })
        .await
    });
    let worker = soon(Worker::builder(thread).startup_data(config()).spawn()).await.unwrap();
    assert_eq!(soon(LifeClient::new(worker).config()).await.unwrap(), config());
}

#[tokio::test]
async fn startup_data_survives_respawn_and_reconnect() {
    let builder = Worker::builder(program()).on_crash(OnCrash::respawn()).startup_data(config());
    let worker = soon(builder.spawn()).await.unwrap();
    let (client, first) = (LifeClient::new(worker.clone()), worker.pid());
    soon(client.exit(3)).await.unwrap_err();
    assert_eq!(soon(client.config()).await.unwrap(), config());
    assert_ne!(worker.pid(), first);
    soon(worker.disconnect()).await.unwrap();
    soon(worker.reconnect()).await.unwrap();
    assert_eq!(soon(client.config()).await.unwrap(), config());
}

#[tokio::test]
async fn missing_startup_data_is_reported_to_the_host() {
    let error = soon(Worker::builder(program()).spawn()).await.unwrap_err();
    assert_error(
        &error,
        ErrorKind::Startup,
        &["life-worker (pid ", "could not start: the worker needs startup data"],
    );
    assert_error(&error, ErrorKind::Startup, &["life::Config", "`Worker::builder(..).startup_data(..)`"]);
}

#[tokio::test]
async fn startup_data_of_another_type_is_reported_on_both_sides() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let thread = Thread::new(move || {
        let sender = sender.clone();
        async move {
            let served = serve_with(async |_: u32| Ok::<_, String>(Living::default().into_service())).await;
            sender.send(served.unwrap_err()).unwrap();
            Ok(())
        }
    });
    let parts = ["bytes of startup data as u32 from json", "invalid type: map, expected u32"];
    let error = soon(Worker::builder(thread).startup_data(config()).spawn()).await.unwrap_err();
    assert_error(&error, ErrorKind::Startup, &parts);
    let worker_error =
        tokio::task::spawn_blocking(move || receiver.recv_timeout(HANG_TIMEOUT).unwrap()).await.unwrap();
    assert_error(&worker_error, ErrorKind::Startup, &parts);

    let error = soon(Worker::builder(program().arg("number")).startup_data("x").spawn()).await.unwrap_err();
    assert_error(
        &error,
        ErrorKind::Startup,
        &["life-worker", "expected u32", "build host and worker from the same"],
    );
}

#[tokio::test]
async fn a_failed_service_constructor_is_reported_to_the_host() {
    let config = Config { refuses: true, ..config() };
    let error = soon(Worker::builder(program()).startup_data(config).spawn()).await.unwrap_err();
    assert_error(
        &error,
        ErrorKind::Startup,
        &["could not create the service: there is no service for open sesame"],
    );
}

#[tokio::test]
async fn startup_data_respects_the_limits_of_both_sides() {
    let large = Config { secret: "x".repeat(3 << 10), ..config() };
    let builder =
        Worker::builder(program()).limits(Limits::default().frame(1 << 10)).startup_data(large.clone());
    let error = soon(builder.spawn()).await.unwrap_err();
    assert_error(
        &error,
        ErrorKind::TooLarge,
        &["could not send startup data", "it has more than 1024 bytes; raise `Limits::frame`"],
    );

    let frugal = || Worker::builder(program().arg("frugal"));
    let error = soon(frugal().startup_data(large).spawn()).await.unwrap_err();
    assert_error(&error, ErrorKind::Startup, &["`Limits::frame` of this worker allows 2048 bytes"]);
    // More than the buffers of the connection hold.
    let huge = Config { secret: "x".repeat(7 << 20), ..config() };
    let error = soon(frugal().startup_data(huge).spawn()).await.unwrap_err();
    assert_error(&error, ErrorKind::Startup, &["`Limits::frame` of this worker allows 2048 bytes"]);

    let deep = (0..9).fold(config(), |nested, _| Config { nested: Some(nested.into()), ..config() });
    let error = soon(frugal().startup_data(deep).spawn()).await.unwrap_err();
    assert_error(
        &error,
        ErrorKind::Startup,
        &["raise `Limits::depth` on the side that receives it, the worker: `serve(..).limits(..)`"],
    );
    soon(frugal().startup_data(config()).spawn()).await.unwrap();
}

#[tokio::test]
async fn startup_data_that_cannot_be_sent_is_refused_before_the_program_starts() {
    let unencodable = std::collections::BTreeMap::from([((1, 2), 3)]);
    let error = soon(Worker::builder(program()).startup_data(unencodable).spawn()).await.unwrap_err();
    assert_error(
        &error,
        ErrorKind::Encode,
        &["could not send startup data to the worker", "key must be a string"],
    );

    let without_handshake = life_worker("no-handshake").without_handshake().startup_data(config());
    let error = soon(without_handshake.spawn()).await.unwrap_err();
    assert_error(
        &error,
        ErrorKind::Config,
        &["the handshake carries it, and `without_handshake` skips that"],
    );

    let program = program().stdout(Output::Discard).stderr(Output::Discard);
    let worker = soon(Worker::builder(program).startup_data(config()).spawn()).await.unwrap();
    let attach = Attach::new(soon(worker.detach()).await.unwrap());
    let error = soon(Worker::builder(attach.clone()).startup_data(config()).spawn()).await.unwrap_err();
    assert_error(&error, ErrorKind::Config, &["it is running already; remove `.startup_data(..)`"]);
    let worker = soon(Worker::builder(attach).spawn()).await.unwrap();
    assert_eq!(soon(LifeClient::new(worker.clone()).config()).await.unwrap(), config());
    soon(worker.close()).await.unwrap();
}

#[tokio::test]
async fn a_worker_without_startup_data_ignores_it() {
    let worker = soon(life_worker("plain").startup_data(config()).spawn()).await.unwrap();
    let client = LifeClient::new(worker.clone());
    assert_eq!(soon(client.config()).await.unwrap(), Config::default());
    let error = soon(client.divide(1, 0)).await.unwrap_err();
    assert!(matches!(error, CallError::Service(why) if why == "1 by 0"));
    soon(worker.close()).await.unwrap();
    assert_eq!(worker.closed().await, ExitReason::Exited(0));
}

#[tokio::test]
async fn startup_data_is_not_in_arguments_environment_or_debug_output() {
    let builder = Worker::builder(program()).startup_data(config());
    assert!(!format!("{builder:?}").contains("sesame"));
    let worker = soon(builder.spawn()).await.unwrap();
    for file in ["cmdline", "environ"] {
        let content = std::fs::read(format!("/proc/{}/{file}", worker.pid())).unwrap();
        assert!(!content.is_empty() && !String::from_utf8_lossy(&content).contains("sesame"));
    }
}

#[tokio::test]
async fn a_worker_that_is_stopped_while_it_starts_says_so() {
    let pipe = Fifo::new();
    let config = Config { secret: pipe.path(), ..Config::default() };
    let spawn = tokio::spawn(life_worker("slow").startup_data(config).spawn());
    let pid = soon(tokio::task::spawn_blocking(move || std::fs::read_to_string(pipe.path())));
    let process = PidFd::open(pid.await.unwrap().unwrap().parse().unwrap());
    process.signal(Signal::TERM);
    let error = soon(spawn).await.unwrap().unwrap_err();
    assert_error(&error, ErrorKind::Startup, &["it was stopped, by a signal or `Server::stop`"]);
}
