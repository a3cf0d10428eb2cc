use std::ffi::OsString;
use std::path::{Path, PathBuf};

use isolated_workers_core::{Error, ErrorKind};

use super::Output;
use super::interpreter::{self, Interpreter};
use super::system::{Attributes, running_program};
use super::wrapper::Wrapper;

/// Driver that runs a program as a child process.
///
/// The process leads its own process group. Ctrl-C at the host's terminal therefore does not reach
/// it, and processes that it starts are killed with it.
///
/// ```
/// use isolated_workers_runtime::Program;
///
/// let program = Program::new("./thumbnailer").arg("--quiet").env("RUST_LOG", "info");
/// ```
#[derive(Clone, Debug)]
pub struct Program {
    pub(super) path: PathBuf,
    /// `true` for the program of this process, even if its file was replaced.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "only Linux can start a replaced file"))]
    pub(super) is_current_exe: bool,
    pub(super) args: Vec<OsString>,
    pub(super) env: Vec<(OsString, Option<OsString>)>,
    pub(super) clear_env: bool,
    pub(super) current_dir: Option<PathBuf>,
    /// Folder in which each process gets a private directory.
    pub(super) scratch_parent: Option<PathBuf>,
    pub(super) stdout: Output,
    pub(super) stderr: Output,
    pub(super) inherit_descriptors: bool,
    pub(super) attributes: Attributes,
    /// Function that the worker runs, in a program that has several.
    pub(super) entry: Option<&'static str>,
    /// Program that runs this one elsewhere.
    pub(super) wrapper: Option<Wrapper>,
    /// Set if the program is an interpreter.
    pub(super) interpreter: Option<Interpreter>,
}

impl Program {
    /// Uses the program at `path`. A name without a slash is looked up in `PATH`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            is_current_exe: false,
            args: Vec::new(),
            env: Vec::new(),
            clear_env: false,
            current_dir: None,
            scratch_parent: None,
            stdout: Output::Keep,
            stderr: Output::Keep,
            inherit_descriptors: false,
            attributes: Attributes::default(),
            entry: None,
            wrapper: None,
            interpreter: None,
        }
    }

    /// Uses a program on another machine, which `ssh` runs: `Program::ssh("user@host").program(..)`.
    ///
    /// `ssh` never asks for a password or an unknown key (`BatchMode`), and ends about a minute after
    /// it has lost its connection. [`Crash::ssh`](isolated_workers_core::Crash) tells its own
    /// failures.
    pub fn ssh(destination: impl Into<OsString>) -> Wrapper {
        Wrapper::ssh(destination.into())
    }

    /// Uses a program that another one runs elsewhere, such as
    /// `Program::through("docker").args(["run", "-i", "image"]).program(..)`.
    pub fn through(wrapper: impl Into<PathBuf>) -> Wrapper {
        Wrapper::new(wrapper.into())
    }

    /// Uses the current program. Its `main` calls [`is_worker`](crate::is_worker) to distinguish
    /// host and worker.
    ///
    /// On Linux, host and worker are the same program even if its file was replaced or removed
    /// meanwhile, for example by an update. Other systems start the file that is at the path.
    ///
    /// # Errors
    /// `Spawn` if the path of the current program cannot be determined.
    pub fn current_exe() -> Result<Self, Error> {
        let path = running_program::path().map_err(|error| {
            let text = "could not determine the path of this program; pass it to `Program::new`";
            Error::with_source(ErrorKind::Spawn, text, error)
        })?;
        Ok(Self { is_current_exe: true, ..Self::new(path) })
    }

    /// Runs a script in Python. The guide "Other languages" shows the client that it imports.
    ///
    /// The interpreter is that of the first of these:
    /// 1. the active virtual environment, which the variable `VIRTUAL_ENV` names;
    /// 2. the virtual environment `.venv` or `venv` in the folder of the script, or in the working
    ///    directory of the host;
    /// 3. `python3` in `PATH` (`python` on Windows).
    ///
    /// Modules are therefore found as in a terminal. What the script prints is UTF-8 and not
    /// buffered. To run another interpreter, or a module, use
    /// `Program::new("python3.12").args(["-m", "my_worker"])`.
    ///
    /// ```
    /// use isolated_workers_runtime::Program;
    ///
    /// let program = Program::python("workers/model.py").arg("--fast");
    /// ```
    pub fn python(script: impl Into<PathBuf>) -> Self {
        let script = script.into();
        let python = interpreter::python(&script);
        let program = Self::new(python).arg(script).env("PYTHONUNBUFFERED", "1").env("PYTHONUTF8", "1");
        Self { interpreter: Some(Interpreter::Python), ..program }
    }

    /// Runs a script in Node.js: the program `node` in `PATH`. The guide "Other languages" shows the
    /// client that it imports. To run another program, use
    /// `Program::new("/opt/node/bin/node").arg("worker.mjs")`.
    ///
    /// ```
    /// use isolated_workers_runtime::Program;
    ///
    /// let program = Program::node("workers/render.mjs");
    /// ```
    pub fn node(script: impl Into<PathBuf>) -> Self {
        Self { interpreter: Some(Interpreter::Node), ..Self::new("node").arg(script.into()) }
    }

    /// Opens the file of the current program. On Linux, that is the running one even if its file
    /// was replaced or removed.
    #[cfg(feature = "offload")]
    pub(crate) fn open_current_exe() -> std::io::Result<std::fs::File> {
        running_program::open()
    }

    /// Adds an argument. Other users of the machine may be able to read it, so pass no secrets.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable, in addition to the host's environment.
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((key.into(), Some(value.into())));
        self
    }

    /// Removes an environment variable.
    pub fn env_remove(mut self, key: impl Into<OsString>) -> Self {
        self.env.push((key.into(), None));
        self
    }

    /// Starts from an empty environment instead of the host's. Variables set by [`env`](Self::env),
    /// before or after, are kept.
    pub fn env_clear(mut self) -> Self {
        self.clear_env = true;
        self
    }

    /// Sets the working directory. Default: the host's. Replaces
    /// [`scratch_dir`](Self::scratch_dir).
    pub fn current_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.current_dir = Some(path.into());
        self.scratch_parent = None;
        self
    }

    /// Gives each process a fresh private directory as its working directory, and removes it with
    /// its contents after the process.
    ///
    /// The directory is in the folder for temporary files, and on Unix only the user of the process
    /// can read it (mode 0700). The worker finds its path in
    /// [`worker::scratch_dir`](crate::scratch_dir), and a worker in another language in the
    /// environment variable `ISOLATED_WORKERS_SCRATCH_DIR`. A process that takes the place of
    /// another has a directory of its own. A relative path of the program still starts at the
    /// working directory of the host. Replaces [`current_dir`](Self::current_dir).
    ///
    /// The directory is removed before the end of the worker is reported, however the worker ended,
    /// and in the background if the worker is dropped with its runtime. Symbolic links are not
    /// followed. A directory that cannot be removed stays, and the host logs a warning.
    ///
    /// # Leftovers
    /// If the host is killed, or exits while it removes a directory, the directory stays. On Unix,
    /// the next worker that a host of the same user starts with a scratch directory in the same
    /// folder removes it: each host and each worker of this library locks its directory as long as
    /// it runs. So the directory of a [detached](crate::Worker::detach) worker stays until the
    /// worker has ended, and is then removed in this way. A worker in another language holds no
    /// lock: do not detach it. On Windows, and for a worker that runs as
    /// another user, what a killed host leaves stays.
    pub fn scratch_dir(self) -> Self {
        self.scratch_dir_in(std::env::temp_dir())
    }

    /// Like [`scratch_dir`](Self::scratch_dir), in this folder, which must exist. Use it for a
    /// certain disk.
    pub fn scratch_dir_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.scratch_parent = Some(folder.into());
        self.current_dir = None;
        self
    }

    /// Sets the destination of the standard output. Default: [`Output::Keep`]. Ignored with a
    /// transport that uses the standard output.
    pub fn stdout(mut self, output: Output) -> Self {
        self.stdout = output;
        self
    }

    /// Sets the destination of the standard error. Default: [`Output::Keep`].
    pub fn stderr(mut self, output: Output) -> Self {
        self.stderr = output;
        self
    }

    /// Keeps all descriptors that the worker inherits.
    ///
    /// A process inherits the descriptors of this host that are not marked close-on-exec, such as
    /// those opened by the host's parent or by a library in another language. Without this option,
    /// a worker of this library closes them before its `main`, and keeps only its standard streams
    /// and its channel. Has no effect on Windows.
    pub fn inherit_descriptors(mut self) -> Self {
        self.inherit_descriptors = true;
        self
    }

    /// Sets the entry that the worker runs: see [`entry`](crate::launch::entry).
    pub(crate) fn entry(mut self, entry: &'static str) -> Self {
        self.entry = Some(entry);
        self
    }

    /// Path of the program.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Wrapper {
    /// Returns the program that the wrapper runs. The path is one of the other machine.
    pub fn program(self, path: impl Into<PathBuf>) -> Program {
        Program { wrapper: Some(self), ..Program::new(path) }
    }
}
