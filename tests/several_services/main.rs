//! Workers and hosts that serve several services whose messages have the same names.

mod services;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use isolated_workers::codec::Json;
use isolated_workers::driver::{Attach, Output, Thread};
use isolated_workers::error::Executed;
use isolated_workers::host::{Builder, OnCrash};
use isolated_workers::layer::{Retry, SetMetadata, for_message, on_request};
use isolated_workers::pool::PoolBuilder;
use isolated_workers::prelude::*;
use isolated_workers::protocol::{Body, Name, Request};
use isolated_workers::service::{BoxService, Router};
use isolated_workers::{Pool, serve, serve_with};
use isolated_workers_test_support::process::kill;
use isolated_workers_test_support::{assert_error, soon};
use services::{
    Clock, Journal, JournalClient, MyJournal, MyStore, Progress, Store, StoreClient, clock, journal,
    progress, store,
};
use tempfile::TempDir;

const WORKER: &str = env!("CARGO_BIN_EXE_several-services-worker");

/// Folder with the file that names the services of the worker.
struct Folder(TempDir);

impl Folder {
    fn new(services: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        folder.set(services);
        folder
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("services")
    }

    /// Sets the services of workers that start from now on.
    fn set(&self, services: &str) {
        std::fs::write(self.file(), services).unwrap();
    }

    fn program(&self) -> Program {
        Program::new(WORKER).arg(self.file())
    }

    fn builder(&self) -> Builder {
        Worker::builder(self.program())
    }

    fn pool(&self) -> PoolBuilder {
        Pool::builder(self.program())
    }

    /// Name of a file that does not exist.
    fn marker(&self, name: &str) -> String {
        Path::join(self.0.path(), name).to_str().unwrap().to_owned()
    }
}

struct MyProgress;

impl Progress for MyProgress {
    async fn now(&self) -> String {
        "half".to_owned()
    }
}

struct MyClock;

impl Clock for MyClock {
    async fn now(&self) -> u64 {
        12
    }
}

fn router() -> impl isolated_workers::service::Handler {
    Router::new().add(MyStore::default().into_service()).add(MyJournal::default().into_service())
}

/// Worker in a thread that serves the store, as its default, and the journal.
fn thread() -> Thread {
    Thread::new(|| async { serve(router()).await })
}

async fn each_gets_its_own(service: &impl Service) {
    let (store, journal) = (StoreClient::new(service), JournalClient::new(service));
    let stores = join_all((0..50).map(|key| store.get(key)));
    let journals = join_all((0..50).map(|key| journal.get(key)));
    let (stores, journals) = soon(async { tokio::join!(stores, journals) }).await;
    for (key, (value, line)) in (0..).zip(stores.into_iter().zip(journals)) {
        assert_eq!((value.unwrap(), line.unwrap()), (format!("value {key}"), vec![key, key]));
    }
    for number in 0..3 {
        soon(store.note(number.to_string())).await.unwrap();
        soon(journal.note(number)).await.unwrap();
    }
    assert_eq!(soon(store.notes()).await.unwrap().last().unwrap(), "2");
    assert_eq!(soon(journal.notes()).await.unwrap().last().unwrap(), &2);
}

/// A request of no service.
fn get(key: u32) -> Request {
    Request::new(Name::from_static("get"), Body::from(format!("{{\"key\":{key}}}").into_bytes()))
}

async fn answer(service: &impl Service, request: Request) -> Result<String, Error> {
    let response = soon(service.call(request)).await?;
    Ok(String::from_utf8(response.body().as_bytes().to_vec()).unwrap())
}

#[tokio::test]
async fn services_with_messages_of_the_same_name_are_told_apart() {
    let folder = Folder::new("store journal");
    for services in ["store journal", "journal store"] {
        folder.set(services);
        let worker = soon(folder.builder().spawn()).await.unwrap();
        each_gets_its_own(&worker).await;
        soon(worker.close()).await.unwrap();
    }
}

#[tokio::test]
async fn a_request_of_no_service_reaches_the_first_one() {
    let folder = Folder::new("journal store");
    let worker = soon(folder.builder().spawn()).await.unwrap();
    assert_eq!(answer(&worker, get(3)).await.unwrap(), "[3,3]");
    let mut named = get(3);
    named.set_service("Store");
    assert_eq!(answer(&worker, named).await.unwrap(), "\"value 3\"");
}

#[tokio::test]
async fn a_handler_made_from_startup_data_may_be_a_router() {
    let worker = Thread::new(|| async { serve_with(async |_: u32| Ok::<_, Error>(router())).await });
    let worker = soon(Worker::builder(worker).startup_data(7).spawn()).await.unwrap();
    each_gets_its_own(&worker).await;
}

#[tokio::test]
async fn a_host_serves_several_services_to_its_worker() {
    let host = || Router::new().add(MyProgress.into_service()).add(MyClock.into_service());
    let folder = Folder::new("store journal");
    let expected = Ok(("half".to_owned(), 12));
    let worker = soon(folder.builder().serve(host()).spawn()).await.unwrap();
    assert_eq!(soon(StoreClient::new(&worker).call_host()).await.map_err(|_| ()), expected);
    assert_eq!(soon(JournalClient::new(&worker).call_host()).await.map_err(|_| ()), expected);
    let pool = soon(folder.pool().workers(2).serve(host()).spawn()).await.unwrap();
    assert_eq!(soon(JournalClient::new(&pool).call_host()).await.map_err(|_| ()), expected);

    // The callback to a service that the host lacks fails in the worker.
    let worker = soon(folder.builder().serve(MyProgress.into_service()).spawn()).await.unwrap();
    let Err(CallError::Service(error)) = soon(JournalClient::new(&worker).call_host()).await else {
        panic!()
    };
    let text = "UnknownMessage: could not call `now` of the service `Clock`: the callee serves `Progress`";
    assert!(error.starts_with(text), "{error}");
}

#[tokio::test]
async fn each_side_may_require_several_services() {
    let folder = Folder::new("store journal");
    let both = folder.builder().service(journal::SCHEMA).service(store::SCHEMA).service(store::SCHEMA);
    each_gets_its_own(&soon(both.spawn()).await.unwrap()).await;
    each_gets_its_own(&soon(folder.builder().service(journal::SCHEMA).spawn()).await.unwrap()).await;
    let error =
        soon(folder.builder().service(store::SCHEMA).service(clock::SCHEMA).spawn()).await.unwrap_err();
    assert_error(&error, ErrorKind::Handshake, &["requires the service Clock", "serves Store", ", Journal"]);

    let worker = || {
        Thread::new(|| async {
            serve(router()).host_service(clock::SCHEMA).host_service(progress::SCHEMA).await
        })
    };
    let host = Router::new().add(MyProgress.into_service()).add(MyClock.into_service());
    soon(Worker::builder(worker()).serve(host).spawn()).await.unwrap();
    let error = soon(Worker::builder(worker()).serve(MyClock.into_service()).spawn()).await.unwrap_err();
    assert_error(&error, ErrorKind::Handshake, &["calls the service Progress", "the host serves Clock"]);
}

#[tokio::test]
async fn two_services_of_the_same_name_cannot_be_served() {
    let cause = "could not serve several services: two services have the same name: Store";
    let folder = Folder::new("store store");
    let error = soon(folder.builder().spawn()).await.unwrap_err();
    assert_error(&error, ErrorKind::Startup, &[cause]);

    let twice = Router::new().add(MyClock.into_service()).add(MyClock.into_service());
    let error = soon(Worker::builder(thread()).serve(twice).spawn()).await.unwrap_err();
    assert_error(&error, ErrorKind::Config, &["two services have the same name: Clock"]);

    let other = isolated_workers::protocol::Schema::new("Store", 1);
    let error =
        soon(Worker::builder(thread()).service(store::SCHEMA).service(other).spawn()).await.unwrap_err();
    assert_error(&error, ErrorKind::Config, &["could not require the services of the worker", "Store"]);
}

#[tokio::test]
async fn a_call_for_a_service_that_is_not_served_is_not_sent() {
    let folder = Folder::new("store");
    for (worker, served) in [
        (soon(folder.builder().spawn()).await.unwrap(), "`Store`;"),
        (
            {
                folder.set("journal store");
                soon(folder.builder().spawn()).await.unwrap()
            },
            "`Journal`, `Store`;",
        ),
    ] {
        let mut request = get(1);
        request.set_service("Clock");
        let error = answer(&worker, request).await.unwrap_err();
        let text = format!("could not call `get` of the service `Clock`: the callee serves {served}");
        assert_error(&error, ErrorKind::UnknownMessage, &[&text]);
        assert_eq!(error.executed(), Executed::No);
        let error = soon(services::ClockClient::new(&worker).now()).await.unwrap_err();
        assert_eq!((error.kind(), error.executed()), (ErrorKind::UnknownMessage, Executed::No));
    }
}

#[tokio::test]
async fn a_process_that_serves_other_services_never_gets_a_call_for_one_that_it_lacks() {
    let folder = Folder::new("store journal");
    let worker = soon(folder.builder().on_crash(OnCrash::respawn()).spawn()).await.unwrap();
    let (store, journal) = (StoreClient::new(&worker), JournalClient::new(&worker));
    each_gets_its_own(&worker).await;
    let lacked = |error: Error| {
        assert_eq!((error.kind(), error.executed()), (ErrorKind::UnknownMessage, Executed::No), "{error}");
    };
    let marker = folder.marker("no-crash");
    std::fs::write(&marker, "").unwrap();
    for services in ["journal", "store", "journal store", "store journal", "journal"] {
        folder.set(services);
        let ended = worker.pid();
        kill(ended);
        soon(async {
            while worker.pid() == ended {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let serves = |service| services.contains(service);
        let value = soon(store.crash_once(marker.clone())).await.map_err(lacked);
        assert_eq!(value.ok(), serves("store").then(|| "store".to_owned()), "{services}");
        let line = soon(journal.crash_once(marker.clone())).await.map_err(lacked);
        assert_eq!(line.ok(), serves("journal").then_some(7), "{services}");
        let value = soon(store.get(1)).await.map_err(lacked);
        assert_eq!(value.ok(), serves("store").then(|| "value 1".to_owned()), "{services}");
        let line = soon(journal.get(1)).await.map_err(lacked);
        assert_eq!(line.ok(), serves("journal").then(|| vec![1, 1]), "{services}");
    }
    // The process ends in a call, which has run in part, and its successor does not serve that.
    folder.set("store");
    let error = soon(journal.crash_once(folder.marker("crash"))).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::UnknownMessage, Executed::Maybe), "{error}");
    assert_eq!(soon(store.get(1)).await.unwrap(), "value 1");
}

#[tokio::test]
async fn a_call_is_retried_on_another_worker_for_its_own_service() {
    let folder = Folder::new("store journal");
    let pool = soon(folder.pool().workers(2).spawn()).await.unwrap();
    let (store, journal) = (StoreClient::new(pool.clone()), JournalClient::new(pool.clone()));
    for round in 0..3 {
        let marker = folder.marker(&format!("journal-{round}"));
        assert_eq!(soon(journal.crash_once(marker)).await.unwrap(), 7);
        let marker = folder.marker(&format!("store-{round}"));
        assert_eq!(soon(store.crash_once(marker)).await.unwrap(), "store");
    }
    let calls = join_all((0..200).map(|key| journal.get(key)));
    for (key, line) in (0..).zip(soon(calls).await) {
        assert_eq!(line.unwrap(), [key, key]);
    }
    soon(pool.close()).await.unwrap();
}

#[tokio::test]
async fn a_refused_call_takes_no_permit_and_a_refused_oneway_message_is_an_error() {
    let folder = Folder::new("store");
    let pool = soon(folder.pool().workers(1).max_in_flight(1).spawn()).await.unwrap();
    let (store, journal) = (StoreClient::new(pool.clone()), JournalClient::new(pool.clone()));
    for _ in 0..5 {
        for error in [soon(journal.get(1)).await.unwrap_err(), soon(journal.note(1)).await.unwrap_err()] {
            assert_eq!(
                (error.kind(), error.executed()),
                (ErrorKind::UnknownMessage, Executed::No),
                "{error}"
            );
        }
        assert_eq!(soon(store.get(1)).await.unwrap(), "value 1");
    }
    assert_eq!(soon(store.notes()).await.unwrap(), [""; 0]);
    soon(pool.close()).await.unwrap();
}

#[tokio::test]
async fn layers_of_both_sides_tell_the_services_apart() {
    let doubled = || {
        for_message::<journal::Get>().on_request(|get: &mut journal::Get| {
            get.key *= 2;
            Ok(())
        })
    };
    let seen: Arc<AtomicUsize> = Arc::default();
    let count = Arc::clone(&seen);
    // On the worker, the default service has a name, too.
    let named = move || {
        let seen = Arc::clone(&count);
        on_request(move |request| {
            assert!(matches!(request.service(), Some("Store" | "Journal")), "{:?}", request.service());
            seen.fetch_add(1, Ordering::SeqCst);
            Ok(())
        })
    };
    let worker = Thread::new(move || {
        let named = named();
        async move { serve(router()).layer(named).layer(doubled()).await }
    });
    let worker = soon(Worker::builder(worker).layer(doubled()).layer(Retry::new(3)).spawn()).await.unwrap();
    let worker = BoxService::new(worker);
    assert_eq!(soon(StoreClient::new(&worker).get(3)).await.unwrap(), "value 3");
    assert_eq!(soon(JournalClient::new(&worker).get(3)).await.unwrap(), [12, 12]);
    assert_eq!(seen.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn without_a_handshake_a_call_names_its_service_itself() {
    let worker = Thread::new(|| async { serve(router()).without_handshake().await });
    let worker = soon(Worker::builder(worker).without_handshake().spawn()).await.unwrap();
    assert_eq!(soon(StoreClient::new(&worker).get(3)).await.unwrap(), "value 3");
    let named = worker.clone().wrapped_by(SetMetadata::new([("iw-service", "Journal")]));
    assert_eq!(soon(JournalClient::new(&named).get(3)).await.unwrap(), [3, 3]);
    // Hostile names are answered by the worker.
    for name in ["", "journal", "Store ", &"x".repeat(10_000)] {
        let mut request = get(3);
        request.set_service(name);
        let error = answer(&worker, request).await.unwrap_err();
        assert_error(&error, ErrorKind::UnknownMessage, &["the callee serves `Store`, `Journal`"]);
        assert!(error.to_string().len() < 1000, "{error}");
    }
    let alone = Thread::new(|| async { serve(MyStore::default().into_service()).without_handshake().await });
    let alone = soon(Worker::builder(alone).without_handshake().spawn()).await.unwrap();
    let named = alone.wrapped_by(SetMetadata::new([("iw-service", "Journal")]));
    assert_error(&answer(&named, get(3)).await.unwrap_err(), ErrorKind::UnknownMessage, &["`Store`;"]);
}

#[tokio::test]
async fn a_worker_that_is_disconnected_or_detached_keeps_its_services() {
    let folder = Folder::new("store journal");
    let program = folder.program().stdout(Output::Discard).stderr(Output::Discard);
    let worker = soon(Worker::builder(program).spawn()).await.unwrap();
    soon(worker.disconnect()).await.unwrap();
    soon(worker.reconnect()).await.unwrap();
    each_gets_its_own(&worker).await;
    let address = soon(worker.detach()).await.unwrap();
    let attach = |schema| Worker::builder(Attach::new(address.clone())).service(schema).spawn();
    let error = soon(attach(clock::SCHEMA)).await.unwrap_err();
    assert_error(&error, ErrorKind::Handshake, &["requires the service Clock"]);
    let worker = soon(attach(journal::SCHEMA)).await.unwrap();
    each_gets_its_own(&worker).await;
    soon(worker.close()).await.unwrap();
}

#[tokio::test]
async fn a_local_router_is_a_host_for_local_handlers() {
    use isolated_workers::service::Local;
    let host = Router::new().add(MyProgress.into_service()).add(MyClock.into_service());
    let local = Local::new(router(), Json).with_host(Local::new(host, Json));
    each_gets_its_own(&local).await;
    assert_eq!(JournalClient::new(&local).call_host().await.unwrap(), ("half".to_owned(), 12));
}
