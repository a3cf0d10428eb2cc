use isolated_workers::ErrorKind;
use isolated_workers_test_support::assert_error;

use super::*;

async fn client(program: Program) -> FaultsClient<Worker> {
    FaultsClient::new(soon(Worker::builder(program).spawn()).await.unwrap())
}

#[tokio::test]
async fn arguments_reach_the_worker_unchanged() {
    let client = client(Program::new(WORKER).arg("").args(["two words", "$HOME"]).arg("--flag='*'")).await;
    assert_eq!(client.arguments().await.unwrap(), ["", "two words", "$HOME", "--flag='*'"]);
}

#[tokio::test]
async fn a_worker_has_the_environment_of_its_host_with_set_and_removed_variables() {
    let program =
        Program::new(WORKER).env("KEY", "first").env("KEY", "value").env("GONE", "1").env_remove("GONE");
    let environment = client(program.env_remove("HOME")).await.environment().await.unwrap();
    assert!(environment.contains(&"KEY=value".to_owned()), "{environment:?}");
    let path = format!("PATH={}", std::env::var("PATH").unwrap());
    assert!(environment.contains(&path), "{environment:?}");
    assert!(std::env::var("HOME").is_ok(), "HOME is set in the host");
    let are_gone = |name: &str| !environment.iter().any(|variable| variable.starts_with(name));
    assert!(are_gone("GONE=") && are_gone("HOME="), "{environment:?}");
}

#[tokio::test]
async fn a_cleared_environment_holds_only_set_variables_and_those_of_the_library() {
    let program = Program::new(WORKER).env("BEFORE", "1").env_clear().env("AFTER", "2");
    let environment = client(program).await.environment().await.unwrap();
    let others: Vec<_> =
        environment.iter().filter(|variable| !variable.starts_with("ISOLATED_WORKERS")).collect();
    assert_eq!(others, ["AFTER=2", "BEFORE=1"]);
}

#[tokio::test]
async fn a_worker_starts_in_the_folder_of_the_host_or_the_given_one() {
    let here = std::env::current_dir().unwrap().display().to_string();
    assert_eq!(client(Program::new(WORKER)).await.current_dir().await.unwrap(), here);
    let folder = tempfile::tempdir().unwrap();
    let other = client(Program::new(WORKER).current_dir(folder.path())).await.current_dir().await.unwrap();
    assert_eq!(other, folder.path().canonicalize().unwrap().display().to_string());
}

/// Value of a field of `/proc/<pid>/status`.
#[cfg(target_os = "linux")]
fn status_of(pid: u32, field: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap().trim().to_owned()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_worker_has_the_niceness_and_the_processors_that_were_set() {
    let worker = soon(Worker::builder(Program::new(WORKER).nice(7).cpus([0])).spawn()).await.unwrap();
    // Each thread has its own.
    let threads = std::fs::read_dir(format!("/proc/{}/task", worker.pid())).unwrap();
    let threads: Vec<i32> =
        threads.map(|thread| thread.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect();
    assert!(threads.len() > 1, "{threads:?}");
    for thread in threads {
        let niceness = rustix::process::getpriority_process(rustix::process::Pid::from_raw(thread));
        assert_eq!(niceness.unwrap(), 7);
        assert_eq!(status_of(thread.cast_unsigned(), "Cpus_allowed_list"), "0");
    }
    // The host keeps its own.
    assert_eq!(rustix::process::getpriority_process(None).unwrap(), 0);

    let error = soon(Worker::builder(Program::new(WORKER).cpus([1023])).spawn()).await.unwrap_err();
    let why = "it could not be restricted to the processors [1023]";
    assert_error(&error, ErrorKind::Spawn, &[WORKER, why]);
}

/// `prlimit` replaces itself with its command.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_tool_in_front_of_the_worker_sets_its_limits() {
    let program = Program::new("prlimit").args(["--nofile=61", WORKER]);
    let worker = soon(Worker::builder(program).spawn()).await.unwrap();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", worker.pid())).unwrap();
    let open_files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(open_files.split_whitespace().nth(3), Some("61"));
    FaultsClient::new(worker).current_dir().await.unwrap();
}

/// Without the privilege of root, the start is refused.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_worker_runs_as_the_user_that_was_set() {
    const NOBODY: u32 = 65_534;
    // The folder of the program may be closed to others.
    let folder = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let program = folder.path().join("worker");
    std::fs::copy(WORKER, &program).unwrap();

    let started = soon(Worker::builder(Program::new(program).user(NOBODY, NOBODY)).spawn()).await;
    if rustix::process::getuid().is_root() {
        let worker = started.unwrap();
        assert_eq!(status_of(worker.pid(), "Uid"), ["65534"; 4].join("\t"));
        assert_eq!(status_of(worker.pid(), "Groups"), "");
        FaultsClient::new(worker).current_dir().await.unwrap();
    } else {
        let error = started.unwrap_err();
        assert_error(&error, ErrorKind::Spawn, &["only root may run a program as another user"]);
    }
}

/// Runs a copy of the host program, which replaces or removes its own file.
#[test]
fn the_current_program_is_started_even_if_its_file_was_replaced() {
    for change in ["replaced", "removed"] {
        let folder = tempfile::tempdir().unwrap();
        let host = folder.path().join("host");
        std::fs::copy(env!("CARGO_BIN_EXE_e2e-host"), &host).unwrap();
        let run = std::process::Command::new(&host).args([WORKER, "updates", change]).output().unwrap();
        let output = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success(), "{change}: {run:?}");
        // Before the change, after it, and from a new path.
        assert_eq!(output, "it is the same program\n".repeat(3), "{change}");
    }
}

/// In a terminal, the worker is in a background process group. The terminal would stop it as a
/// whole.
///
/// The host has to be in the foreground. `timeout` moves it to the background without
/// `--foreground`, unless the shell replaces itself by its last command, which not every shell
/// does.
#[test]
fn a_worker_that_uses_the_terminal_gets_an_error_at_once() {
    for command in ["stty -echo </dev/tty", "read line </dev/tty", "echo text >/dev/tty"] {
        let host = format!("'{}' '{WORKER}' terminal '{command}'", env!("CARGO_BIN_EXE_e2e-host"));
        let run = std::process::Command::new("script")
            .args([
                "--quiet",
                "--return",
                "--command",
                &format!("stty tostop; timeout --foreground 20 {host}"),
                "/dev/null",
            ])
            .env("SHELL", "/bin/sh")
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success(), "{command}: {run:?}");
        assert!(output.contains("/dev/tty: No such device or address"), "{command}: {output}");
    }
}
