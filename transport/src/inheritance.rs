use std::any::Any;
use std::fmt;
use std::process::Stdio;

/// The environment variable that names a worker's channel:
/// [`Transport::NAME`](crate::Transport::NAME), a colon, [`Inheritance::address`].
pub const CHANNEL_VARIABLE: &str = "ISOLATED_WORKERS_CHANNEL";

/// Address of the transport [`Stdio`](crate::Stdio) for a worker whose standard streams another
/// program has connected with those of its host, such as `ssh`. On Unix, such a worker takes the
/// streams that it has.
pub const REMOTE_STDIO: &str = "remote";

/// Address and descriptors that a worker is started with, to reach its host.
#[non_exhaustive]
pub struct Inheritance {
    /// Address by which [`Transport::attach`](crate::Transport::attach) finds its end. Not a
    /// secret: it is visible in the environment.
    pub address: String,
    /// The standard input of the process. `None` if it should be empty.
    pub stdin: Option<Stdio>,
    /// The standard output of the process. `None` if the transport does not use it.
    pub stdout: Option<Stdio>,
    /// The worker's end itself, for a worker in this process:
    /// [`Transport::adopt`](crate::Transport::adopt) takes it.
    pub local: Option<Box<dyn Any + Send>>,
}

impl fmt::Debug for Inheritance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inheritance").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Inheritance {
    /// Returns an inheritance that consists of an address only.
    pub fn new(address: impl Into<String>) -> Self {
        Self { address: address.into(), stdin: None, stdout: None, local: None }
    }

    /// Sets the standard input of the process.
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.stdin = Some(stdin.into());
        self
    }

    /// Sets the standard output of the process.
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.stdout = Some(stdout.into());
        self
    }

    /// Sets the worker's end itself, for a worker in this process.
    pub fn local(mut self, end: impl Any + Send) -> Self {
        self.local = Some(Box::new(end));
        self
    }
}
