//! Hosts whose process is in an unusual state. Each prints the results of its calls.

use std::fs::File;
use std::io::Write;
use std::process::exit;

use isolated_workers::blocking;
use isolated_workers::prelude::*;

use crate::service::NumbersBlockingClient;

pub(crate) fn run(what: &str) {
    match what {
        "fork" => fork(),
        "exit-handler" => exit_handler(),
        "no-descriptors" => no_descriptors(),
        "leave" => leave(),
        _ => panic!("unknown: {what}"),
    }
}

fn spawn() -> Result<blocking::Worker, Error> {
    blocking::Worker::spawn(Worker::builder(Program::current_exe()?))
}

fn add(worker: &blocking::Worker) {
    print(NumbersBlockingClient::new(worker).add(2, 3));
}

fn print(result: Result<u64, Error>) {
    match result {
        Ok(sum) => println!("{sum}"),
        Err(error) => println!("{} {error:#}", error.kind().code()),
    }
    std::io::stdout().flush().expect("standard output");
}

/// Calls after a fork: in the parent, and in the child.
fn fork() {
    let worker = spawn().expect("a worker");
    add(&worker);
    // SAFETY: glibc allows the calls that the child makes.
    #[allow(unsafe_code)]
    let child = unsafe { libc::fork() };
    if child == 0 {
        add(&worker);
        // SAFETY: it ends the process without its exit handlers.
        #[allow(unsafe_code)]
        unsafe {
            libc::_exit(0)
        }
    }
    let child = rustix::process::Pid::from_raw(child).expect("a child");
    rustix::process::waitpid(Some(child), rustix::process::WaitOptions::empty()).expect("its end");
    add(&worker);
}

/// Calls in an exit handler.
fn exit_handler() {
    static WORKER: std::sync::OnceLock<blocking::Worker> = std::sync::OnceLock::new();
    extern "C" fn call() {
        add(WORKER.get().expect("it was set"));
    }
    add(WORKER.get_or_init(|| spawn().expect("a worker")));
    // SAFETY: the handler lives as long as the program.
    #[allow(unsafe_code)]
    unsafe {
        libc::atexit(call);
    }
    exit(0)
}

/// Uses the library for the first time without free descriptors, and again with some.
fn no_descriptors() {
    let files: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    print(spawn().map(|_| 0));
    drop(files);
    add(&spawn().expect("a worker"));
}

/// Ends without closing its worker.
fn leave() {
    let worker = spawn().expect("a worker");
    println!("{}", worker.pid());
    exit(0)
}
