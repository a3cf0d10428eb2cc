//! Worker that tries to escape, and the host that confines it.
//!
//! `sandbox-program host <way> <scenario>` runs a scenario and prints its outcome. The way is
//! `own`, `launched` or `free`: without a sandbox. `sandbox-program without <lack> host …` does that
//! on a system that lacks something.

mod broken_system;
mod early_thread;
#[allow(dead_code, reason = "the test reads the rest")]
mod escapes;
mod scene;
mod service;

use std::time::Duration;

use isolated_workers::host::OnCrash;
use isolated_workers::prelude::*;
use isolated_workers::sandbox::{Protection, Sandbox};
use scene::Stage;
use service::{Escapee as _, EscapeeClient, Exhausted, Prisoner};

type HostResult = Result<(), Box<dyn std::error::Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> HostResult {
    if is_worker() {
        return Ok(serve(Prisoner.into_service()).await?);
    }
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [without, lack, rest @ ..] = &arguments[..]
        && without == "without"
    {
        return Err(broken_system::execute(lack, rest).into());
    }
    let [role, way, scenario] = &arguments[..] else { panic!("usage: host <way> <scenario>") };
    assert_eq!(role, "host");
    let stage = Stage::set();
    match &**scenario {
        "attempts" => attempts(&stage, way).await,
        "work" => work(&stage, way).await,
        "exhaust" => exhaust(&stage, way).await,
        "violation" => violation(&stage, way).await,
        "strict" => strict(way).await,
        "lenient" => lenient(way).await,
        "respawn" => respawn(&stage, way).await,
        "reconnect" => reconnect(&stage, way).await,
        "pool" => pool(&stage, way).await,
        "thread" => thread(way).await,
        "crash-only" => crash_only(&stage, way).await,
        other => panic!("unknown scenario {other}"),
    }
}

fn program(way: &str) -> Result<Program, Error> {
    match way {
        "launched" => Ok(Program::new(std::env::args_os().next().unwrap())),
        "free" => Ok(Program::current_exe()?.inherit_descriptors()),
        _ => Program::current_exe(),
    }
}

fn sandbox(stage: &Stage) -> Sandbox {
    let sandbox = Sandbox::deny_all().read(&stage.scene.readable).write(&stage.scene.writable);
    sandbox.memory(2 << 30)
}

macro_rules! spawn {
    ($way:expr, $sandbox:expr) => {{
        match ($way, program($way)) {
            (_, Err(error)) => Err(error),
            ("free", Ok(program)) => Worker::builder(program).on_crash(OnCrash::respawn()).spawn().await,
            (_, Ok(program)) => {
                Worker::builder(program).on_crash(OnCrash::respawn()).sandbox($sandbox).spawn().await
            }
        }
    }};
}

/// Prints the outcome of each attempt behind its number.
async fn attempts(stage: &Stage, way: &str) -> HostResult {
    let worker = spawn!(way, sandbox(stage))?;
    let escapee = EscapeeClient::new(worker.clone());
    println!("{}", worker.sandbox());
    for number in 0..escapes::ALL.len() {
        let outcome = escapee.attempt(number, stage.scene.clone()).await;
        let outcome = outcome.unwrap_or_else(|error| format!("failed: {error}"));
        println!("attempt\t{number}\t{outcome}");
    }
    Ok(worker.close().await?)
}

async fn work(stage: &Stage, way: &str) -> HostResult {
    let worker = spawn!(way, sandbox(stage))?;
    println!("{}", EscapeeClient::new(worker.clone()).work(stage.scene.clone()).await?);
    Ok(worker.close().await?)
}

/// Prints the error of a worker that exhausts each resource.
async fn exhaust(stage: &Stage, way: &str) -> HostResult {
    for what in [Exhausted::Memory, Exhausted::CpuTime, Exhausted::FileSize, Exhausted::Core] {
        let limited = sandbox(stage).memory(256 << 20).cpu_time(Duration::from_secs(1)).file_size(1 << 20);
        let worker = spawn!(way, limited)?;
        let ended = EscapeeClient::new(worker.clone()).exhaust(what, stage.scene.clone()).await;
        println!("{what:?}: {}", ended.unwrap_err());
        worker.kill();
    }
    Ok(())
}

/// Prints the errors of refused calls that end the worker.
async fn violation(stage: &Stage, way: &str) -> HostResult {
    let worker = spawn!(way, sandbox(stage).kill_on_violation())?;
    let escapee = EscapeeClient::new(worker.clone());
    for name in ["trace the host", "connect to the host by TCP", "fork"] {
        let number = escapes::ALL.iter().position(|escape| escape.name == name).unwrap();
        let error = escapee.attempt(number, stage.scene.clone()).await.unwrap_err();
        println!("{}: {error}", error.kind().code());
    }
    worker.kill();
    Ok(())
}

/// Prints the error of a start that asks for everything, and that of the check.
async fn strict(way: &str) -> HostResult {
    if let Err(error) = Sandbox::deny_all().check() {
        println!("check {}: {error}", error.kind().code());
    }
    match spawn!(way, Sandbox::deny_all()) {
        Ok(worker) => println!("started as {}", EscapeeClient::new(worker).pid().await?),
        Err(error) => println!("start {}: {error:#}", error.kind().code()),
    }
    Ok(())
}

/// Starts a worker that may lack everything.
async fn lenient(way: &str) -> HostResult {
    let lenient = Protection::ALL.iter().fold(Sandbox::deny_all(), |it, &lacked| it.may_lack(lacked));
    match spawn!(way, lenient) {
        Ok(worker) => println!("started\n{}", worker.sandbox()),
        Err(error) => println!("start {}: {error:#}", error.kind().code()),
    }
    Ok(())
}

/// Prints outcomes of attempts in a worker and in its successor.
async fn respawn(stage: &Stage, way: &str) -> HostResult {
    let worker = spawn!(way, sandbox(stage))?;
    let escapee = EscapeeClient::new(worker.clone());
    for _ in 0..2 {
        println!(
            "{} {}",
            worker.sandbox() == worker.sandbox(),
            escapee.attempt(0, stage.scene.clone()).await?
        );
        let crashed = escapee.exhaust(Exhausted::Core, stage.scene.clone()).await.unwrap_err();
        assert!(crashed.crash().is_some(), "{crashed}");
    }
    println!("{}", escapee.attempt(0, stage.scene.clone()).await?);
    Ok(worker.close().await?)
}

/// Prints outcomes of attempts in both workers of a pool, and again after one of them has crashed.
async fn pool(stage: &Stage, way: &str) -> HostResult {
    let pool = Pool::builder(program(way)?).workers(2).sandbox(sandbox(stage)).spawn().await?;
    for _ in 0..2 {
        let sessions = [pool.checkout().await?, pool.checkout().await?];
        for session in &sessions {
            println!("{}", EscapeeClient::new(session.clone()).attempt(0, stage.scene.clone()).await?);
        }
        let escapee = EscapeeClient::new(sessions[0].clone());
        let crashed = escapee.exhaust(Exhausted::Core, stage.scene.clone()).await.unwrap_err();
        assert!(crashed.crash().is_some(), "{crashed}");
    }
    Ok(pool.close().await?)
}

/// Disconnects and reconnects, detaches and attaches, and prints the report of the attached worker.
async fn reconnect(stage: &Stage, way: &str) -> HostResult {
    use isolated_workers::driver::{Attach, Output};

    let program = program(way)?.stderr(Output::Inherit).stdout(Output::Inherit);
    let worker = Worker::builder(program).sandbox(sandbox(stage)).spawn().await?;
    worker.disconnect().await?;
    worker.reconnect().await?;
    println!("{}", EscapeeClient::new(worker.clone()).attempt(0, stage.scene.clone()).await?);
    let address = worker.detach().await?;
    let attached = Worker::builder(Attach::new(address)).sandbox(sandbox(stage)).spawn().await?;
    println!("{}", EscapeeClient::new(attached.clone()).attempt(0, stage.scene.clone()).await?);
    println!("{}", attached.sandbox());
    Ok(attached.close().await?)
}

/// Prints the error of a worker in which a thread runs before it is confined.
async fn thread(way: &str) -> HostResult {
    let program = program(way)?.env("SANDBOX_TEST_THREAD", "1");
    let error = Worker::builder(program).sandbox(Sandbox::deny_all()).spawn().await.unwrap_err();
    println!("start {}: {error:#}", error.kind().code());
    Ok(())
}

/// Prints the report of the default proposal, and does in it what a sandbox would refuse.
async fn crash_only(stage: &Stage, way: &str) -> HostResult {
    let worker = Worker::builder(program(way)?).sandbox(Sandbox::crash_only()).spawn().await?;
    println!("{}", worker.sandbox());
    let escapee = EscapeeClient::new(worker.clone());
    for name in ["read a file of the host", "connect to the host by TCP", "start a shell"] {
        let number = escapes::ALL.iter().position(|escape| escape.name == name).unwrap();
        println!("{name}: {:?}", escapee.attempt(number, stage.scene.clone()).await?);
    }
    Ok(worker.close().await?)
}
