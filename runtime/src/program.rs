use std::ffi::OsString;
use std::path::{Path, PathBuf};

use isolated_workers_core::{Error, ErrorKind};

/// The program that a worker runs: its path, arguments, environment and working directory.
///
/// ```
/// use isolated_workers_runtime::Program;
///
/// let program = Program::new("./thumbnailer").arg("--quiet").env("RUST_LOG", "info");
/// ```
#[derive(Clone, Debug)]
pub struct Program {
    pub(crate) path: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) current_dir: Option<PathBuf>,
}

impl Program {
    /// The program at `path`; a name without a slash is looked for in `PATH`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), args: Vec::new(), env: Vec::new(), current_dir: None }
    }

    /// This very program: its `main` asks [`is_worker`](crate::is_worker) which of the two it is.
    ///
    /// # Errors
    /// `Spawn` where the system does not tell the path of the program.
    pub fn current_exe() -> Result<Self, Error> {
        let path = std::env::current_exe().map_err(|error| {
            Error::with_source(ErrorKind::Spawn, "could not find out the path of this program", error)
        })?;
        Ok(Self::new(path))
    }

    /// Adds an argument. Everybody on the machine can read it: no secret belongs here.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the environment, which is the host's otherwise.
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((key.into(), value.into()));
        self
    }

    /// Sets the working directory, which is the host's otherwise.
    pub fn current_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.current_dir = Some(path.into());
        self
    }

    /// Where the program is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
