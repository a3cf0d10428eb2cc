//! Workers that another program runs elsewhere.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio as Streams};

use isolated_workers::ErrorKind;
use isolated_workers::codec::Json;
use isolated_workers::driver::{Output, Wrapper};
use isolated_workers::error::Executed;
use isolated_workers::transport::Stdio;
use isolated_workers_test_support::assert_error;
use isolated_workers_test_support::process::PidFd;
use tempfile::TempDir;

use super::*;

/// Runs its command between two pipes of its own, as a program on another machine does.
fn pipes() -> Wrapper {
    Program::through("sh").args(["-c", "cat | \"$@\" | cat", "sh"])
}

/// A worker whose standard streams are the connection.
type Remote = Worker<Link<Json>, Stdio>;

async fn remote(program: Program) -> (Remote, FaultsClient<Remote>) {
    let worker = soon(Worker::builder(program).transport(Stdio).spawn()).await.unwrap();
    (worker.clone(), FaultsClient::new(worker))
}

/// Process that serves. `Worker::pid` is the wrapper.
async fn process(client: &FaultsClient<Remote>) -> PidFd {
    let (code, text) = client.shell("echo $PPID >&2".into()).await.unwrap();
    assert_eq!(code, Some(0));
    PidFd::open(text.trim().parse().unwrap())
}

/// Arguments that a shell would change.
const ARGUMENTS: [&str; 5] = ["", "a b", "it's $HOME", "-n", "\"\\\n*"];

async fn answers_calls(wrapper: Wrapper) {
    let program = wrapper.program(WORKER).args(ARGUMENTS).env("OF_TEST", "a 'b' $c").env_remove("LANG");
    let (worker, client) = remote(program.stderr(Output::Capture)).await;
    assert_eq!(soon(client.echo(vec![7; 100_000].into())).await.unwrap(), vec![7; 100_000]);
    let arguments = soon(client.arguments()).await.unwrap();
    assert_eq!(arguments, ARGUMENTS);
    let environment = soon(client.environment()).await.unwrap();
    assert!(environment.contains(&"OF_TEST=a 'b' $c".into()), "{environment:?}");
    assert!(!environment.iter().any(|variable| variable.starts_with("LANG=")), "{environment:?}");
    // A process of the worker is no worker, although it inherits the environment.
    assert_eq!(soon(client.is_worker()).await.unwrap(), (true, false));
    soon(client.print("printed".into())).await.unwrap();
    let process = process(&client).await;
    soon(worker.close()).await.unwrap();
    assert!(process.ends_within(HANG_TIMEOUT));
    assert!(worker.stderr().contains("printed"), "{}", worker.stderr());
}

#[tokio::test]
async fn a_worker_behind_other_pipes_answers_calls() {
    answers_calls(pipes()).await;
}

#[tokio::test]
async fn a_worker_ends_with_its_wrapper() {
    let (worker, client) = remote(pipes().program(WORKER)).await;
    let process = process(&client).await;
    worker.kill();
    soon(client.count()).await.unwrap_err();
    assert!(process.ends_within(HANG_TIMEOUT));
}

#[tokio::test]
async fn what_only_this_machine_can_give_is_refused() {
    let program = || pipes().program("./worker");
    let error = soon(Worker::builder(program()).spawn()).await.unwrap_err();
    assert_error(&error, ErrorKind::Config, &["use `.transport(Stdio)`"]);
    let scratch = Worker::builder(program().scratch_dir()).transport(Stdio);
    assert_error(&soon(scratch.spawn()).await.unwrap_err(), ErrorKind::Config, &["scratch directory"]);
    let sandbox = isolated_workers::sandbox::Sandbox::crash_only();
    let confined = Worker::builder(program()).transport(Stdio).sandbox(sandbox);
    assert_error(&soon(confined.spawn()).await.unwrap_err(), ErrorKind::Config, &["confine the wrapper"]);
    let missing = Program::through("no-such-wrapper").program(WORKER);
    let error = soon(Worker::builder(missing).transport(Stdio).spawn()).await.unwrap_err();
    assert_error(&error, ErrorKind::Spawn, &["no-such-wrapper"]);
}

/// Server on this machine that accepts one key.
struct Sshd {
    server: Child,
    folder: TempDir,
    port: u16,
}

impl Sshd {
    /// # Errors
    /// Returns the reason if this machine has no server.
    fn start() -> Result<Self, String> {
        let program = Path::new("/usr/sbin/sshd");
        if !program.exists() || Command::new("ssh").arg("-V").output().is_err() {
            return Err("there is no OpenSSH; install openssh-server and openssh-client".into());
        }
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        for key in ["host_key", "key"] {
            let made =
                Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &path(key)]).status();
            assert!(made.unwrap().success());
        }
        fs::copy(path("key.pub"), path("authorized_keys")).unwrap();
        fs::set_permissions(path("authorized_keys"), fs::Permissions::from_mode(0o600)).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\n\
             StrictModes no\nPermitRootLogin prohibit-password\n",
            path("host_key"),
            path("authorized_keys")
        );
        fs::write(path("config"), config).unwrap();
        if rustix::process::getuid().is_root() {
            // The server wants it for its unprivileged part.
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let mut server = Command::new(program);
        let server =
            server.args(["-D", "-e", "-f", &path("config")]).stderr(Streams::null()).spawn().unwrap();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::yield_now();
        }
        Ok(Self { server, folder, port })
    }

    fn wrapper(&self) -> Wrapper {
        let key = self.folder.path().join("key");
        Program::ssh("127.0.0.1").arg("-F/dev/null").arg(format!("-p{}", self.port)).arg("-i").arg(key).args(
            ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"],
        )
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

#[tokio::test]
async fn a_worker_on_another_machine_answers_calls_and_its_end_is_told() {
    let sshd = match Sshd::start() {
        Ok(sshd) => sshd,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    answers_calls(sshd.wrapper()).await;

    let (_worker, client) = remote(sshd.wrapper().program(WORKER)).await;
    let error = soon(client.exit(7)).await.unwrap_err();
    assert_error(&error, ErrorKind::Crashed, &["exited with code 7"]);
    assert!(!error.crash().unwrap().ssh);

    let (_worker, client) = remote(sshd.wrapper().program(WORKER)).await;
    let error = soon(client.abort()).await.unwrap_err();
    assert_error(&error, ErrorKind::Crashed, &["or a signal ends the worker"]);
    assert!(error.crash().unwrap().ssh);

    let (worker, client) = remote(sshd.wrapper().program(WORKER)).await;
    let process = process(&client).await;
    worker.kill();
    soon(client.count()).await.unwrap_err();
    assert!(process.ends_within(HANG_TIMEOUT), "the worker has outlived its connection");

    let missing = sshd.wrapper().program("/no/such/worker");
    let error = soon(Worker::builder(missing).transport(Stdio).spawn()).await.unwrap_err();
    assert!(error.to_string().contains("/no/such/worker"), "{error}");

    let wrapper = sshd.wrapper();
    drop(sshd);
    let unreachable = Worker::builder(wrapper.program(WORKER)).transport(Stdio);
    let error = soon(unreachable.spawn()).await.unwrap_err();
    assert!(error.to_string().contains("Connection refused"), "{error}");
    assert_eq!(error.executed(), Executed::No);
}
