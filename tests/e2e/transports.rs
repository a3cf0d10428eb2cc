//! Tests that run with every transport and driver.

use std::time::Duration;

use futures_util::future::join_all;
use isolated_workers::codec::Json;
use isolated_workers::driver::Thread;
use isolated_workers::error::ExitReason;
use isolated_workers::testing::conformance::alone;
use isolated_workers::transport::{NamedPipe, SocketPair, Stdio, Transport, UnixSocket};
use isolated_workers::{ErrorKind, Service, serve};
use isolated_workers_test_support::process::{PidFd, children, descriptors, resident_kib, threads};
use isolated_workers_test_support::{KILLED, count_from_env, runtime};
use rustix::process::Signal;

use super::*;

async fn started_on<T: Transport>(
    transport: T,
) -> (Worker<Link<Json>, T>, FaultsClient<Worker<Link<Json>, T>>) {
    let worker = soon(worker().transport(transport).spawn()).await.unwrap();
    (worker.clone(), FaultsClient::new(worker))
}

async fn calls<S: Service>(client: &FaultsClient<S>) {
    for size in [0, 1, 65_536, 300_000] {
        let data: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
        assert!(soon(client.echo(data.clone().into())).await.unwrap() == data, "{size} bytes");
    }
    let many = (0..300u32).map(|i| client.echo(i.to_be_bytes().to_vec().into()));
    for (i, answer) in (0u32..).zip(soon(join_all(many)).await) {
        assert_eq!(answer.unwrap(), i.to_be_bytes()[..]);
    }
    client.note("noted".into()).await.unwrap();
    assert_eq!(client.notes().await.unwrap(), ["noted"]);
    assert_eq!(
        soon(client.panic("requested by the test".into())).await.unwrap_err().kind(),
        ErrorKind::Panicked
    );
    assert_eq!(soon(client.wait_a_little()).await.unwrap_err().kind(), ErrorKind::Timeout);
    until_waiting(client, 0).await;
}

async fn calls_are_answered_and_close_succeeds<T: Transport>(transport: T) {
    let (worker, client) = started_on(transport).await;
    calls(&client).await;
    soon(worker.close()).await.unwrap();
    assert_eq!(worker.closed().await, ExitReason::Exited(0));
}

async fn printed_output_does_not_disturb_calls<T: Transport>(transport: T) {
    let (worker, client) = started_on(transport).await;
    for _ in 0..10 {
        client.print("{\"kind\":\"go_away\"}\n".into()).await.unwrap();
    }
    assert_eq!(client.stdin().await.unwrap(), "");
    assert_eq!(client.is_worker().await.unwrap(), (true, false));
    calls(&client).await;
    worker.close().await.unwrap();
}

async fn a_crash_fails_calls_in_flight<T: Transport>(transport: T) {
    let (worker, client) = started_on(transport).await;
    let calls = join_all((0..20).map(|_| client.wait()));
    let kill = async {
        until_waiting(&client, 20).await;
        PidFd::open(worker.pid()).signal(Signal::KILL);
    };
    let (ends, ()) = soon(async { tokio::join!(calls, kill) }).await;
    for end in ends {
        let reason = end.unwrap_err().crash().unwrap().reason;
        assert_eq!(reason, KILLED);
    }
}

async fn a_worker_that_drops_its_runtime_is_ended<T: Transport>(transport: T) {
    let program = Program::new(WORKER).arg("drops-runtime");
    let worker = soon(Worker::builder(program).transport(transport).spawn()).await.unwrap();
    let client = FaultsClient::new(worker.clone());
    let calls = join_all((0..20).map(|_| client.wait()));
    let drop = async {
        until_waiting(&client, 20).await;
        client.drop_runtime().await
    };
    let (ends, dropped) = soon(async { tokio::join!(calls, drop) }).await;
    for end in ends.into_iter().chain([dropped]) {
        assert_eq!(end.unwrap_err().crash().unwrap().reason, ExitReason::Disconnected);
    }
    assert_eq!(soon(worker.closed()).await, ExitReason::Disconnected);
}

async fn a_failed_start_reports_why<T: Transport>(transport: T) {
    for (how, kind, text) in [
        ("exit", ErrorKind::Startup, "exited with code 3"),
        ("return", ErrorKind::Startup, "without a call of `serve`"),
        ("postcard", ErrorKind::Handshake, "the codec of this host is json, that of the worker is postcard"),
    ] {
        let program = Program::new(WORKER).arg(how);
        let error = soon(Worker::builder(program).transport(transport.clone()).spawn()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error:#}");
        assert!(error.to_string().contains(text), "{error:#}");
    }
}

/// Number of workers that a leak test starts and ends.
fn many() -> usize {
    count_from_env("ISOLATED_WORKERS_ROUNDS", 500)
}

/// Runs in its own process, because it counts the descriptors and memory of the whole process.
fn nothing_is_left<T: Transport>(transport: T) {
    let runtime = runtime();
    let rounds = |count: usize| {
        runtime.block_on(async {
            for round in 0..count {
                let (worker, client) = started_on(transport.clone()).await;
                match round % 3 {
                    0 => soon(worker.close()).await.unwrap(),
                    1 => worker.kill(),
                    _ => drop(soon(client.exit(1)).await),
                }
                soon(worker.closed()).await;
            }
        });
    };
    // The first rounds create everything that is created once per process.
    rounds(50);
    let (before, memory) = ((descriptors(), threads()), resident_kib());
    rounds(many());
    assert_eq!((descriptors(), threads()), before);
    assert!(resident_kib() <= memory + 1024, "{} KiB, {memory} before", resident_kib());
    assert_eq!(children(), Vec::<u32>::new(), "zombies or survivors");
}

macro_rules! matrix {
    ($($name:ident: $transport:expr;)*) => {$(
        mod $name {
            use super::*;

            #[tokio::test]
            async fn calls_are_answered_and_close_succeeds() { super::calls_are_answered_and_close_succeeds($transport).await }
            #[tokio::test]
            async fn printed_output_does_not_disturb_calls() { super::printed_output_does_not_disturb_calls($transport).await }
            #[tokio::test]
            async fn a_crash_fails_calls_in_flight() { super::a_crash_fails_calls_in_flight($transport).await }
            #[tokio::test]
            async fn a_worker_that_drops_its_runtime_is_ended() { super::a_worker_that_drops_its_runtime_is_ended($transport).await }
            #[tokio::test]
            async fn a_failed_start_reports_why() { super::a_failed_start_reports_why($transport).await }
            #[test]
            fn nothing_is_left() {
                let test = concat!(module_path!(), "::nothing_is_left");
                alone(test, || super::nothing_is_left($transport))
            }
        }
    )*};
}

matrix! {
    unix_socket: UnixSocket;
    socket_pair: SocketPair;
    stdio: Stdio;
    named_pipe: NamedPipe;
    worker_socket: UnixSocket::bound_by_worker();
}

mod thread {
    use super::*;

    /// Service with methods that make sense on a thread.
    #[isolated_workers::service]
    pub(super) trait Small {
        async fn double(&self, number: u32) -> u32;
        async fn wait(&self);
        async fn thread(&self) -> String;
        async fn panic(&self);
    }

    struct ThreadService;

    impl Small for ThreadService {
        async fn double(&self, number: u32) -> u32 {
            number * 2
        }
        async fn wait(&self) {
            std::future::pending().await
        }
        async fn thread(&self) -> String {
            std::thread::current().name().unwrap_or_default().to_owned()
        }
        async fn panic(&self) {
            panic!("requested by the test")
        }
    }

    fn driver() -> Thread {
        Thread::new(|| async {
            assert!(isolated_workers::is_worker());
            serve(ThreadService.into_service()).await
        })
    }

    #[tokio::test]
    async fn a_thread_worker_answers_and_closes() {
        let worker = soon(Worker::builder(driver().name("calculator")).spawn()).await.unwrap();
        assert!(!isolated_workers::is_worker());
        let client = SmallClient::new(worker.clone());
        assert_eq!(client.double(21).await.unwrap(), 42);
        assert_eq!(client.thread().await.unwrap(), "calculator");
        assert_eq!(client.panic().await.unwrap_err().kind(), ErrorKind::Panicked);
        let many = soon(join_all((0..1000).map(|i| client.double(i)))).await;
        assert!((0..).zip(many).all(|(i, answer)| answer.unwrap() == i * 2));
        soon(worker.close()).await.unwrap();
        assert_eq!(worker.closed().await, ExitReason::Exited(0));
    }

    #[tokio::test]
    async fn a_thread_worker_is_killed_at_its_next_await() {
        let worker = soon(Worker::builder(driver()).spawn()).await.unwrap();
        let client = SmallClient::new(worker.clone());
        let kill = async {
            client.double(1).await.unwrap();
            worker.kill();
        };
        let (call, ()) = soon(async { tokio::join!(client.wait(), kill) }).await;
        assert_eq!(call.unwrap_err().kind(), ErrorKind::Closed);
        soon(worker.closed()).await;
    }

    #[tokio::test]
    async fn a_thread_that_never_serves_fails_to_start() {
        let idle = Thread::new(|| async { Ok(()) });
        let error = soon(Worker::builder(idle).spawn()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Startup);
        assert!(error.to_string().contains("without a call of `serve`"), "{error}");

        let panics = Thread::new(|| async { panic!("requested by the test") });
        let error = soon(Worker::builder(panics).spawn()).await.unwrap_err();
        assert!(error.to_string().contains("exited with code 101"), "{error}");
    }

    #[tokio::test]
    async fn a_thread_worker_cannot_use_the_transport_of_a_process() {
        let timeouts = isolated_workers::host::Timeouts::default().startup(Duration::from_secs(5));
        let builder = Worker::builder(driver()).transport(SocketPair).timeouts(timeouts);
        assert_eq!(soon(builder.spawn()).await.unwrap_err().kind(), ErrorKind::Startup);
    }

    #[test]
    fn nothing_is_left() {
        alone(concat!(module_path!(), "::nothing_is_left"), || {
            let runtime = runtime();
            let rounds = |count: usize| {
                runtime.block_on(async {
                    for round in 0..count {
                        let worker = soon(Worker::builder(driver()).spawn()).await.unwrap();
                        assert_eq!(SmallClient::new(worker.clone()).double(2).await.unwrap(), 4);
                        match round % 2 {
                            0 => soon(worker.close()).await.unwrap(),
                            _ => worker.kill(),
                        }
                        soon(worker.closed()).await;
                    }
                });
            };
            rounds(3);
            let before = descriptors();
            rounds(many());
            assert_eq!(descriptors(), before);
            // Two threads remain: the test's thread, and the thread that waits for the test. The
            // last worker's thread ends shortly after the worker reports its end.
            let threads = async {
                while threads() > 2 {
                    tokio::task::yield_now().await;
                }
            };
            runtime.block_on(soon(threads));
        });
    }
}
