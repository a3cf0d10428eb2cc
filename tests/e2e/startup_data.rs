use isolated_workers::{
    Attach, CallError, Error, ErrorKind, ExitReason, OnCrash, Output, SocketPair, Stdio, Thread, Transport,
    UnixSocket, serve_with,
};

use super::life::{Config, Life, Living};
use super::*;

fn config() -> Config {
    Config { secret: "open sesame".into(), ..Config::default() }
}

fn program() -> Program {
    Program::new(LIFE)
}

fn says(error: &Error, kind: ErrorKind, parts: &[&str]) {
    assert_eq!(error.kind(), kind, "{error:?}");
    for part in parts {
        assert!(format!("{error:#}").contains(part), "{error:#}\n  does not say: {part}");
    }
}

async fn goes_by<T: Transport>(transport: T) {
    // More than a pipe holds, so that both sides must read while the other writes.
    let config = Config { secret: "x".repeat(5 << 20), ..config() };
    let builder = Worker::builder(program()).transport(transport).startup_data(config.clone());
    let worker = soon(builder.spawn()).await.unwrap();
    assert!(soon(LifeClient::new(worker.clone()).config()).await.unwrap() == config, "{}", T::NAME);
    soon(worker.close()).await.unwrap();
}

#[tokio::test]
async fn it_reaches_the_worker_on_every_transport() {
    goes_by(UnixSocket).await;
    goes_by(UnixSocket::bound_by_worker()).await;
    goes_by(SocketPair).await;
    goes_by(Stdio).await;
    goes_by(isolated_workers::NamedPipe).await;
}

#[tokio::test]
async fn it_is_encoded_by_the_codec_that_is_chosen_last() {
    let builder = Worker::builder(program().arg("postcard")).startup_data(config());
    let worker = soon(builder.codec(Postcard).spawn()).await.unwrap();
    assert_eq!(soon(LifeClient::new(worker).config()).await.unwrap(), config());
}

#[tokio::test]
async fn a_worker_on_a_thread_gets_it_too() {
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
async fn a_worker_that_is_started_again_gets_it_again_and_one_that_is_reached_again_keeps_it() {
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
async fn a_host_that_has_none_for_a_worker_that_wants_it_hears_so() {
    let error = soon(Worker::builder(program()).spawn()).await.unwrap_err();
    says(
        &error,
        ErrorKind::Startup,
        &["life-worker (pid ", "could not start: the worker wants startup data"],
    );
    says(&error, ErrorKind::Startup, &["life::Config", "`Worker::builder(..).startup_data(..)`"]);
}

#[tokio::test]
async fn what_is_no_such_data_is_named_on_both_sides() {
    let (tell, told) = std::sync::mpsc::channel();
    let thread = Thread::new(move || {
        let tell = tell.clone();
        async move {
            let served = serve_with(async |_: u32| Ok::<_, String>(Living::default().into_service())).await;
            tell.send(served.unwrap_err()).unwrap();
            Ok(())
        }
    });
    let named = ["bytes of startup data as u32 from json", "invalid type: map, expected u32"];
    let error = soon(Worker::builder(thread).startup_data(config()).spawn()).await.unwrap_err();
    says(&error, ErrorKind::Startup, &named);
    let there = tokio::task::spawn_blocking(move || told.recv_timeout(PATIENCE).unwrap()).await.unwrap();
    says(&there, ErrorKind::Startup, &named);

    let error = soon(Worker::builder(program().arg("number")).startup_data("x").spawn()).await.unwrap_err();
    says(&error, ErrorKind::Startup, &["life-worker", "expected u32", "build host and worker from the same"]);
}

#[tokio::test]
async fn a_service_that_cannot_be_made_of_it_is_told_why() {
    let config = Config { refuses: true, ..config() };
    let error = soon(Worker::builder(program()).startup_data(config).spawn()).await.unwrap_err();
    says(&error, ErrorKind::Startup, &["could not make the service: there is no service for open sesame"]);
}

#[tokio::test]
async fn the_limits_of_either_side_hold() {
    let large = Config { secret: "x".repeat(3 << 10), ..config() };
    let builder =
        Worker::builder(program()).limits(Limits::default().frame(1 << 10)).startup_data(large.clone());
    let error = soon(builder.spawn()).await.unwrap_err();
    says(&error, ErrorKind::TooLarge, &["could not send startup data", "`Limits::frame` allows 1024"]);

    let frugal = || Worker::builder(program().arg("frugal"));
    let error = soon(frugal().startup_data(large).spawn()).await.unwrap_err();
    says(&error, ErrorKind::Startup, &["more than the 2048 of this worker's `Limits::frame`"]);
    // So much that it cannot all be on its way.
    let huge = Config { secret: "x".repeat(7 << 20), ..config() };
    let error = soon(frugal().startup_data(huge).spawn()).await.unwrap_err();
    says(&error, ErrorKind::Startup, &["more than the 2048 of this worker's `Limits::frame`"]);

    let deep = (0..9).fold(config(), |nested, _| Config { nested: Some(nested.into()), ..config() });
    let error = soon(frugal().startup_data(deep).spawn()).await.unwrap_err();
    says(&error, ErrorKind::Startup, &["raise `Limits::depth`"]);
    soon(frugal().startup_data(config()).spawn()).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_before_anything_starts() {
    let speechless = std::collections::BTreeMap::from([((1, 2), 3)]);
    let error = soon(Worker::builder(program()).startup_data(speechless).spawn()).await.unwrap_err();
    says(&error, ErrorKind::Encode, &["could not send startup data to the worker", "key must be a string"]);

    let quiet = living("no-handshake").without_handshake().startup_data(config());
    let error = soon(quiet.spawn()).await.unwrap_err();
    says(&error, ErrorKind::Config, &["it goes with the handshake, which `without_handshake` leaves out"]);

    let program = program().stdout(Output::Discard).stderr(Output::Discard);
    let worker = soon(Worker::builder(program).startup_data(config()).spawn()).await.unwrap();
    let attach = Attach::new(soon(worker.detach()).await.unwrap());
    let error = soon(Worker::builder(attach.clone()).startup_data(config()).spawn()).await.unwrap_err();
    says(&error, ErrorKind::Config, &["it is running already; remove `.startup_data(..)`"]);
    let worker = soon(Worker::builder(attach).spawn()).await.unwrap();
    assert_eq!(soon(LifeClient::new(worker.clone()).config()).await.unwrap(), config());
    soon(worker.close()).await.unwrap();
}

#[tokio::test]
async fn a_worker_that_wants_none_passes_over_it() {
    let worker = soon(living("plain").startup_data(config()).spawn()).await.unwrap();
    let client = LifeClient::new(worker.clone());
    assert_eq!(soon(client.config()).await.unwrap(), Config::default());
    let error = soon(client.divide(1, 0)).await.unwrap_err();
    assert!(matches!(error, CallError::Service(why) if why == "1 by 0"));
    soon(worker.close()).await.unwrap();
    assert_eq!(worker.closed().await, ExitReason::Exited(0));
}

#[tokio::test]
async fn nobody_else_sees_it() {
    let builder = Worker::builder(program()).startup_data(config());
    assert!(!format!("{builder:?}").contains("sesame"));
    let worker = soon(builder.spawn()).await.unwrap();
    for file in ["cmdline", "environ"] {
        let seen = std::fs::read(format!("/proc/{}/{file}", worker.pid())).unwrap();
        assert!(!seen.is_empty() && !String::from_utf8_lossy(&seen).contains("sesame"));
    }
}
