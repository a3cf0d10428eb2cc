//! Worker of the portable tests, which serves without arguments.
//!
//! The first argument selects another role: `exit`, `return` and `never-serve` fail before they
//! serve, `is-worker` and `echo` are children of a worker, and `host` is a host that ends.

mod service;

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use isolated_workers::driver::Output;
use isolated_workers::{Error, Program, Worker, is_worker, serve};
use service::{ByZero, Chores, ChoresClient};
use tokio::sync::Barrier;

struct PortableWorker {
    meeting: Barrier,
    counted: AtomicU32,
}

impl Chores for PortableWorker {
    async fn add(&self, a: i64, b: i64) -> i64 {
        a + b
    }
    async fn divide(&self, a: i64, b: i64) -> Result<i64, ByZero> {
        a.checked_div(b).ok_or(ByZero)
    }
    async fn echo(&self, text: String) -> String {
        text
    }
    async fn meet(&self, number: u32) -> u32 {
        self.meeting.wait().await;
        number
    }
    async fn count(&self) -> u32 {
        self.counted.fetch_add(1, Ordering::Relaxed) + 1
    }
    async fn print(&self, text: String) {
        println!("{text}");
        eprintln!("{text}");
        std::io::stdout().flush().unwrap();
    }
    async fn exit(&self, code: i32) {
        eprintln!("requested by the test");
        std::process::exit(code)
    }
    async fn abort(&self) {
        std::process::abort()
    }
    async fn hold(&self, port: u16) {
        std::mem::forget(connect(port));
    }
    async fn hold_and_spin(&self, port: u16) {
        let _held = connect(port);
        loop {
            std::hint::spin_loop();
        }
    }
    async fn start_child(&self, port: u16) -> u32 {
        this_program().args(["echo", &port.to_string()]).spawn().unwrap().id()
    }
    async fn is_worker(&self) -> (bool, bool) {
        (is_worker(), this_program().arg("is-worker").status().unwrap().success())
    }
}

fn this_program() -> Command {
    Command::new(std::env::current_exe().unwrap())
}

/// Connects to the test, which detects the end of this process by the end of the connection.
fn connect(port: u16) -> TcpStream {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    println!("printed before anything else");
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => {
            let worker = PortableWorker { meeting: Barrier::new(100), counted: AtomicU32::new(0) };
            serve(worker.into_service()).await
        }
        ["return"] => Ok(()),
        ["exit"] => {
            eprintln!("no luck today");
            std::process::exit(3)
        }
        ["never-serve"] => loop {
            std::thread::park();
        },
        ["is-worker"] => std::process::exit(if is_worker() { 0 } else { 1 }),
        ["echo", port] => {
            let stream = connect(port.parse().unwrap());
            std::io::copy(&mut &stream, &mut &stream).unwrap();
            Ok(())
        }
        ["host", action, port] => host(action, port.parse().unwrap()).await,
        _ => panic!("unknown arguments {arguments:?}"),
    }
}

/// Starts a worker, detaches it, and prints its address.
async fn detach(program: Program, port: u16) -> Result<(), Error> {
    let worker = Worker::builder(program.stderr(Output::Discard)).spawn().await?;
    let client = ChoresClient::new(worker.clone());
    client.hold(port).await?;
    client.count().await?;
    let address = worker.detach().await?;
    println!("{}", serde_json::to_string(&address).expect("an address that serializes"));
    Ok(())
}

async fn host(action: &str, port: u16) -> Result<(), Error> {
    let program = Program::current_exe()?.stdout(Output::Discard);
    if action == "detaches" {
        return detach(program, port).await;
    }
    let worker = Worker::builder(program).spawn().await?;
    let client = ChoresClient::new(worker.clone());
    match action {
        "idles" => client.hold(port).await?,
        "spins" => client.hold_and_spin(port).await?,
        "has-a-child" => drop(client.start_child(port).await?),
        "exits" => {
            client.hold(port).await?;
            std::process::exit(0)
        }
        other => panic!("unknown action {other}"),
    }
    std::future::pending().await
}
