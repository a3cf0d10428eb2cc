//! A NATS server on loopback, for tests, examples and measurements.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Server that runs until it is dropped.
pub(crate) struct Server {
    program: PathBuf,
    folder: tempfile::TempDir,
    port: u16,
    child: Child,
}

impl Server {
    /// Starts a server. `None` if there is no program for it.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_with("").await
    }

    /// Starts a server with further lines of configuration.
    pub(crate) async fn start_with(configuration: &str) -> Option<Self> {
        let program = find()?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = free_port();
        let all = format!("listen: 127.0.0.1:{port}\n{configuration}\n");
        std::fs::write(folder.path().join("server.conf"), all).expect("the configuration");
        let child = run(&program, folder.path()).await.expect("the server starts");
        Some(Self { program, folder, port, child })
    }

    /// Address without credentials.
    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Id of the process.
    #[allow(dead_code)]
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Kills the server.
    #[allow(dead_code)]
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.expect("the server runs");
    }

    /// Starts the server again on its port.
    #[allow(dead_code)]
    pub(crate) async fn restart(&mut self) {
        self.kill().await;
        self.child = run(&self.program, self.folder.path()).await.expect("the server starts again");
    }
}

/// Returns the program: `NATS_SERVER`, `target/tools/nats-server`, or one in `PATH`.
pub(crate) fn find() -> Option<PathBuf> {
    if let Some(program) = std::env::var_os("NATS_SERVER") {
        return Some(program.into());
    }
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/nats-server");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|folder| folder.join("nats-server"));
    std::iter::once(tools).chain(in_path).find(|program| program.is_file())
}

/// Port of loopback that is free now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|socket| socket.local_addr())
        .expect("a free port")
        .port()
}

/// Runs the server and waits until it accepts connections.
async fn run(program: &Path, folder: &Path) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.arg("-c").arg(folder.join("server.conf")).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let mut lines = BufReader::new(child.stderr.take().expect("standard error is a pipe")).lines();
    let mut log = String::new();
    loop {
        match lines.next_line().await? {
            Some(line) if line.contains("Server is ready") => break,
            Some(line) => log = log + &line + "\n",
            None => return Err(io::Error::other(format!("the server ended:\n{log}"))),
        }
    }
    // The server must not wait for a reader.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok(child)
}
