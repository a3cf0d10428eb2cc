//! Host that starts two workers, prints their ids, and ends in a given way.
//!
//! Arguments: the path of the worker program, the state of the workers, and the end of the host.
//!
//! - State of the workers, with `,child` if each has started a process, whose id is printed too:
//!   `idle`, `spinning`, `blocks-exit` (with an exit handler that blocks), `disconnected`,
//!   `lingers` (disconnected without a limit), `detached-late` (confirms a detach too late),
//!   `detach-unseen` (the host has not seen that they are ready to be detached), `given-up-ready`
//!   and `given-up-detached` (the host has given up the detach, and not seen that they are ready,
//!   or detached), `detached` (prints each address), `nowhere` (prints the error of `disconnect`),
//!   or `stays` (started by a shell, has ended the connection and never ends; prints its id
//!   itself).
//! - End of the host: `exit`, `return`, `panic`, `abort`, or `wait`.
//!
//! With `updates` as the state, the third argument is `replaced` or `removed`: it happens to the
//! file of this program, between two workers that run this program. With `terminal`, it is a shell
//! command that a worker runs, and the host prints the command's exit code and standard error.
//!
//! With `answered` as the state, the third argument is a named pipe that a call reads. With
//! `pinged`, it is not used, and the host calls the worker after a line on its standard input. Both
//! print the id of the worker, the result of the call, and `true` if the worker is active.
//!
//! With `prints` as the state, the third argument is an output policy: `inherit`, `discard`, `keep`
//! or `capture`. One worker prints, and the host prints nothing. With `prints-without-reader`,
//! SIGPIPE has its default action as well. With `floods`, the worker prints more than a pipe holds,
//! and the host kills it. With `prints-much`, the third argument is not used, the worker prints 1
//! MiB to each stream, and the host ends with its standard input; with `prints-locked`, it holds
//! the locks of its streams meanwhile.

#[path = "../services/faults.rs"]
mod faults;
#[allow(dead_code, reason = "this host releases no transport")]
#[path = "../held_transport.rs"]
mod held_transport;

use std::io::Write;
use std::time::Duration;

use faults::FaultsClient;
use held_transport::Held;
use isolated_workers::driver::Output;
use isolated_workers::host::{Heartbeat, OnTimeout, Timeouts};
use isolated_workers::transport::UnixSocket;
use isolated_workers::{Error, ErrorKind, Program, Worker};
use rustix::process::{Pid, Signal, kill_process};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let (worker, state, end) = match &arguments[..] {
        [how] if how == "is-the-same" => std::process::exit(42),
        [worker, state, end] => (worker, state, end),
        _ => panic!("usage: e2e-host WORKER STATE END"),
    };
    match state.as_str() {
        "prints" => return prints(worker, end).await,
        "prints-without-reader" => {
            // SAFETY: the default action runs no code of this process.
            #[expect(unsafe_code, reason = "the standard library has no safe function for it")]
            unsafe {
                libc::signal(libc::SIGPIPE, libc::SIG_DFL);
            }
            return prints(worker, end).await;
        }
        "floods" => return floods(worker, end).await,
        "prints-much" | "prints-locked" => return prints_much(worker, state == "prints-locked").await,
        "updates" => return updates(end).await,
        "may-not-signal" => return may_not_signal(worker, end == "stopped").await,
        "terminal" => return terminal(worker, end).await,
        "answered" | "pinged" => return calls(worker, (state == "answered").then_some(end)).await,
        _ => {}
    }
    let (state, has_child) = match state.strip_suffix(",child") {
        Some(state) => (state, true),
        None => (state.as_str(), false),
    };
    let mut workers = Vec::new();
    for _ in 0..2 {
        let held = match state {
            "detach-unseen" => Some(("\"prepare_detach\"", false)),
            "given-up-ready" => Some(("\"prepare_detach\"", true)),
            "given-up-detached" => Some(("\"detach\"", true)),
            _ => None,
        };
        if let Some((step, gives_up)) = held {
            println!("{}", detaches(worker, step, gives_up).await?);
            continue;
        }
        let mut program = Program::new(worker).stdout(Output::Discard).stderr(Output::Discard);
        if state == "blocks-exit" {
            program = program.arg("blocks-exit");
        }
        if state == "stays" {
            program = Program::new("sh").args(["-c", "\"$0\" stays; true", worker]);
            program = program.stdout(Output::Inherit).stderr(Output::Discard);
        }
        let unlimited = Timeouts::default().disconnected(Duration::ZERO);
        let timeouts = if state == "lingers" { unlimited } else { Timeouts::default() };
        let worker = Worker::builder(program).timeouts(timeouts).spawn().await?;
        let client = FaultsClient::new(worker.clone());
        if has_child {
            println!("{}", client.start_child().await?);
        }
        match state {
            "spinning" => {
                tokio::spawn(async move { client.spin().await });
                // The spawned task sends the call meanwhile.
                tokio::task::yield_now().await;
            }
            "detached" => {
                client.count().await?;
                println!("{}", serde_json::to_string(&worker.detach().await?).unwrap());
            }
            "disconnected" | "lingers" => worker.disconnect().await?,
            "detached-late" => {
                let process = Pid::from_raw(worker.pid().cast_signed()).unwrap();
                kill_process(process, Signal::STOP).unwrap();
                assert_eq!(worker.detach().await.unwrap_err().kind(), ErrorKind::Timeout);
                kill_process(process, Signal::CONT).unwrap();
                // Waits for the confirmation.
                let _ = worker.disconnect().await;
            }
            "stays" => {
                client.shell("kill -TERM $PPID".into()).await?;
                workers.push(worker);
                continue;
            }
            "nowhere" => {
                println!("{}", worker.disconnect().await.unwrap_err());
                println!("count {}", client.count().await?);
            }
            _ => client.echo(vec![1].into()).await.map(drop)?,
        }
        println!("{}", worker.pid());
        workers.push(worker);
    }
    if state != "stays" {
        println!("ready");
        std::io::stdout().flush().unwrap();
    }
    match end.as_str() {
        "exit" => std::process::exit(0),
        "return" => Ok(()),
        "panic" => panic!("requested by the test"),
        "abort" => std::process::abort(),
        _ => std::future::pending().await,
    }
}

/// Starts a worker and detaches it, without seeing its confirmation `step`. Returns its id.
async fn detaches(program: &str, step: &'static str, gives_up: bool) -> Result<u32, Error> {
    let (transport, hold) = Held::new(UnixSocket, step);
    let program = Program::new(program).stdout(Output::Discard).stderr(Output::Discard);
    let worker = Worker::builder(program).transport(transport).spawn().await?;
    // The worker lives as long as this process.
    let worker: &'static _ = Box::leak(Box::new(worker));
    let mut detach = Box::pin(worker.detach());
    tokio::select! {
        result = &mut detach => panic!("the detach has ended: {result:?}"),
        () = hold.reached() => {}
    }
    if gives_up {
        drop(detach);
        hold.wrote("{\"kind\":\"go_away\",\"timeout\"").await;
    } else {
        std::mem::forget(detach);
    }
    Ok(worker.pid())
}

async fn calls(program: &str, pipe: Option<&String>) -> Result<(), Error> {
    let heartbeat = Heartbeat::every(Duration::from_millis(50)).timeout(Duration::from_secs(1));
    let builder = Worker::builder(Program::new(program)).on_timeout(OnTimeout::Kill);
    let builder = if pipe.is_some() { builder } else { builder.heartbeat(heartbeat) };
    let worker = builder.spawn().await?;
    let client = FaultsClient::new(worker.clone());
    println!("{}", worker.pid());
    let result = match pipe {
        Some(pipe) => client.read_within_a_second(pipe.clone()).await,
        None => {
            let line = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
            line.await.unwrap().unwrap();
            client.count().await.map(|count| count.to_string())
        }
    };
    println!("{result:?} {}", worker.is_active());
    Ok(())
}

fn policy(name: &str) -> Output {
    match name {
        "inherit" => Output::Inherit,
        "discard" => Output::Discard,
        "keep" => Output::Keep,
        _ => Output::Capture,
    }
}

async fn prints(worker: &str, output: &str) -> Result<(), Error> {
    let output = policy(output);
    let worker = Worker::builder(Program::new(worker).stdout(output).stderr(output)).spawn().await?;
    let client = FaultsClient::new(worker.clone());
    client.write(false, "to the output".into()).await?;
    client.write(true, "to the error".into()).await?;
    worker.close().await
}

async fn prints_much(worker: &str, is_locked: bool) -> Result<(), Error> {
    let worker = Worker::builder(Program::new(worker)).spawn().await?;
    let _locks = is_locked.then(|| (std::io::stdout().lock(), std::io::stderr().lock()));
    FaultsClient::new(worker.clone()).flood(1).await?;
    // What is in the pipes when the host ends may be lost.
    let end = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new()));
    end.await.expect("a thread that reads").expect("the standard input");
    worker.close().await
}

async fn floods(worker: &str, output: &str) -> Result<(), Error> {
    let output = policy(output);
    let worker = Worker::builder(Program::new(worker).stdout(output).stderr(output)).spawn().await?;
    let client = FaultsClient::new(worker.clone());
    let flood = client.flood(1);
    tokio::select! {
        _ = flood => {}
        () = tokio::time::sleep(std::time::Duration::from_millis(200)) => {}
    }
    worker.kill();
    worker.closed().await;
    Ok(())
}

async fn updates(change: &str) -> Result<(), Error> {
    let own = std::env::current_exe().expect("the path of this program");
    let before = Program::current_exe()?;
    spawn_self(before.clone()).await;
    if change == "replaced" {
        let next = own.with_extension("next");
        std::fs::copy("/bin/false", &next).expect("a copy");
        std::fs::rename(next, &own).expect("a replaced file");
    } else {
        std::fs::remove_file(&own).expect("a removed file");
    }
    spawn_self(before).await;
    spawn_self(Program::current_exe()?).await;
    Ok(())
}

/// Starts this program as a worker, which does not serve.
async fn spawn_self(program: Program) {
    let error = Worker::builder(program.arg("is-the-same")).spawn().await.expect_err("no worker");
    if error.to_string().contains("exited with code 42") {
        println!("it is the same program");
    } else {
        println!("{error}");
    }
}

async fn terminal(worker: &str, command: &str) -> Result<(), Error> {
    let worker = Worker::builder(Program::new(worker)).spawn().await?;
    let client = FaultsClient::new(worker.clone());
    let (code, stderr) = client.shell(command.to_owned()).await?;
    println!("code {code:?}: {stderr}");
    worker.close().await
}

/// Kills a worker after this host has lost the right to signal it. Prints the id of the worker, the
/// reason of its end, and the error of `close`.
async fn may_not_signal(worker: &str, is_stopped: bool) -> Result<(), Error> {
    let worker = Worker::builder(Program::new(worker)).spawn().await?;
    println!("{}", worker.pid());
    if is_stopped {
        let pid = Pid::from_raw(worker.pid().cast_signed()).expect("a process id");
        kill_process(pid, Signal::STOP).expect("a signal");
    }
    let nobody = rustix::process::Uid::from_raw(65534);
    // Of this thread only, which sends all signals.
    rustix::thread::set_thread_res_uid(nobody, nobody, nobody).expect("rights of root");
    worker.kill();
    println!("{}", worker.closed().await);
    println!("{}", worker.close().await.map_or_else(|error| error.to_string(), |()| "closed".into()));
    Ok(())
}
