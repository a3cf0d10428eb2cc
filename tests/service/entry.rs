//! Programs with `#[isolated_workers::main]`.

#[path = "greeting.rs"]
mod greeting;

use std::process::{Command, Output};

use isolated_workers::codec::Postcard;
use isolated_workers::{ErrorKind, Program, Worker};

use greeting::{GreetingClient, greeting as messages};

const PLAIN: &str = env!("CARGO_BIN_EXE_plain-main");
const FALLIBLE: &str = env!("CARGO_BIN_EXE_fallible-main");
const CONFIG: &str = env!("CARGO_BIN_EXE_config-main");

#[tokio::test]
async fn main_returns_the_service() {
    let worker = Worker::builder(Program::new(PLAIN)).service(messages::SCHEMA).spawn().await.unwrap();
    assert_eq!(GreetingClient::new(&worker).greet("Ada".into()).await.unwrap(), "Hello, Ada!");
    worker.close().await.unwrap();
    assert_eq!(worker.closed().await.to_string(), "exited with code 0");
}

#[tokio::test]
async fn main_returns_a_result() {
    let program = Program::new(FALLIBLE).arg("Good morning");
    let worker = Worker::builder(program).codec(Postcard).spawn().await.unwrap();
    assert_eq!(GreetingClient::new(&worker).greet("Bo".into()).await.unwrap(), "Good morning, Bo!");
    worker.close().await.unwrap();
    assert_eq!(worker.closed().await.to_string(), "exited with code 0");
}

#[tokio::test]
async fn a_failed_main_is_a_startup_error() {
    let spawned = Worker::builder(Program::new(FALLIBLE)).codec(Postcard).spawn().await;
    let error = spawned.expect_err("no worker");
    assert_eq!(error.kind(), ErrorKind::Startup);
    assert!(error.to_string().contains("exited with code 1"), "{error}");
}

#[tokio::test]
async fn main_takes_startup_data() {
    let config = |greeting| std::collections::BTreeMap::from([("greeting", greeting)]);
    let spawn = |greeting| Worker::builder(Program::new(CONFIG)).startup_data(config(greeting)).spawn();
    let worker = spawn("Good evening").await.unwrap();
    assert_eq!(GreetingClient::new(&worker).greet("Cy".into()).await.unwrap(), "Good evening, Cy!");
    worker.close().await.unwrap();

    let error = spawn("").await.expect_err("no worker");
    assert_eq!(error.kind(), ErrorKind::Startup);
    assert!(error.to_string().ends_with("could not create the service: there is no greeting"), "{error}");
    let error = Worker::builder(Program::new(CONFIG)).spawn().await.expect_err("no worker");
    assert!(error.to_string().contains("needs startup data, a config_main::Config"), "{error}");
}

/// Runs the program without a host. Returns its exit code and its standard error.
fn run(program: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = Command::new(program).args(arguments).output().expect("the program");
    (status.code(), String::from_utf8(stderr).expect("text"))
}

#[test]
fn the_error_of_main_is_printed() {
    let (code, text) = run(FALLIBLE, &[]);
    assert_eq!((code, text.trim_end()), (Some(1), "Error: there is no greeting"));
}

#[test]
fn a_worker_without_a_host_says_so() {
    for (program, arguments) in [(PLAIN, &[][..]), (FALLIBLE, &["Hi"]), (CONFIG, &[])] {
        let (code, text) = run(program, arguments);
        assert_eq!(code, Some(1));
        assert!(text.contains("was not started by a host"), "{text}");
    }
}
