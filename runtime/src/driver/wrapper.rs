use std::ffi::OsString;
use std::path::PathBuf;

/// Number of the last arguments of `ssh`: `--` and the destination.
const SSH_TARGET_ARGS: usize = 2;

/// Program that runs a worker elsewhere: on another machine, or in a container. Created by
/// [`Program::ssh`](crate::Program::ssh) and [`Program::through`](crate::Program::through).
///
/// The wrapper executes the command that follows its own arguments, and connects its standard input
/// and output with those of the command. The transport must therefore be
/// [`Stdio`](isolated_workers_transport::Stdio).
///
/// ```
/// use isolated_workers_runtime::{Program, Worker};
/// use isolated_workers_transport::Stdio;
///
/// let program = Program::ssh("build-7").program("./worker").arg("--quiet");
/// let builder = Worker::builder(program).transport(Stdio);
///
/// let docker = Program::through("docker").args(["run", "-i", "--rm", "thumbnailer"]);
/// let builder = Worker::builder(docker.program("/worker")).transport(Stdio);
/// ```
///
/// # Differences to a local worker
/// - Arguments and variables of the program are on the command line of the wrapper, where other
///   users of both machines may read them. The environment of the host does not reach the worker.
///   The other machine needs the program `env`.
/// - Working directory, user, priority and cores apply to the wrapper. A scratch directory and a
///   sandbox cannot be had: the start fails.
/// - [`Worker::pid`](crate::Worker::pid), exit code, signal and memory are those of the wrapper.
/// - A worker whose wrapper was killed sees the end of its standard input and ends, as it does when
///   its host dies. A wrapper that keeps that stream open keeps the worker.
#[derive(Clone, Debug)]
#[must_use = "call `program` to name the worker"]
pub struct Wrapper {
    pub(super) path: PathBuf,
    pub(super) args: Vec<OsString>,
    /// `true` for `ssh`, which passes one text to a shell.
    pub(super) is_ssh: bool,
}

impl Wrapper {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, args: Vec::new(), is_ssh: false }
    }

    pub(super) fn ssh(destination: OsString) -> Self {
        // Without a terminal, a question for a password would never be answered.
        let args = ["-T", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=15"].map(OsString::from);
        let args = args.into_iter().chain(["--".into(), destination]).collect();
        Self { path: "ssh".into(), args, is_ssh: true }
    }

    /// Adds an argument of the wrapper. For `ssh`, it is an option, such as `-p2222`, and stands
    /// before the destination.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        let end = self.args.len() - if self.is_ssh { SSH_TARGET_ARGS } else { 0 };
        self.args.insert(end, arg.into());
        self
    }

    /// Adds arguments of the wrapper, as [`arg`](Self::arg) does.
    pub fn args(self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }
}
