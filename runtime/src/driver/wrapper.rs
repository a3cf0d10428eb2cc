use std::ffi::OsString;
use std::path::{Path, PathBuf};

use isolated_workers_core::{Error, ErrorKind};
use isolated_workers_transport::{CHANNEL_VARIABLE, REMOTE_STDIO, Stdio, Transport};

use super::{Launch, Program};
use crate::launch::EVENTS_VARIABLE;

/// Program that runs a worker elsewhere: on another machine, or in a container. Created by
/// [`Program::ssh`] and [`Program::through`].
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
    path: PathBuf,
    args: Vec<OsString>,
    /// `true` for `ssh`, which passes one text to a shell.
    is_ssh: bool,
}

impl Wrapper {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, args: Vec::new(), is_ssh: false }
    }

    pub(super) fn ssh(destination: OsString) -> Self {
        // Without a terminal, a question for a password would never be answered.
        let args = ["-T", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=15"].map(OsString::from);
        let args = args.into_iter().chain([destination]).collect();
        Self { path: "ssh".into(), args, is_ssh: true }
    }

    /// Adds an argument of the wrapper. For `ssh`, it is an option, such as `-p2222`, and stands
    /// before the destination.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        let end = self.args.len() - usize::from(self.is_ssh);
        self.args.insert(end, arg.into());
        self
    }

    /// Adds arguments of the wrapper, as [`arg`](Self::arg) does.
    pub fn args(self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    /// Returns the program that the wrapper runs. The path is one of the other machine.
    pub fn program(self, path: impl Into<PathBuf>) -> Program {
        Program { wrapper: Some(self), ..Program::new(path) }
    }

    pub(super) fn is_ssh(&self) -> bool {
        self.is_ssh
    }

    /// Returns the program that runs here, for a worker `inner`. `events`: value of the variable
    /// that asks the worker for its events.
    ///
    /// # Errors
    /// `Config` if the transport is not `Stdio`, or if the worker is to have something that only
    /// this machine could give it.
    pub(super) fn outer(
        &self,
        inner: &Program,
        launch: &Launch,
        events: Option<String>,
    ) -> Result<Program, Error> {
        let (name, path) = (self.path.display(), inner.path.display());
        let refused = |cause: &str| {
            let text = format!("could not start the worker {path} through `{name}`: {cause}");
            Error::new(ErrorKind::Config, text)
        };
        let (variable, address) = &launch.variable;
        let transport = address.split_once(':').map_or("", |(transport, _)| transport);
        if *variable != CHANNEL_VARIABLE || transport != Stdio::NAME {
            return Err(refused(&format!(
                "the transport {transport} ends at this machine; use `.transport(Stdio)` of the builder"
            )));
        }
        if inner.scratch_parent.is_some() {
            return Err(refused("its scratch directory would be on this machine; let it make one itself"));
        }
        #[cfg(feature = "sandbox")]
        if launch.sandbox.is_some() {
            return Err(refused(
                "a sandbox would confine the wrapper; confine the worker by the wrapper, such as a container",
            ));
        }
        let command = self.command(inner, events);
        let mut args = self.args.clone();
        if self.is_ssh {
            let quoted: Option<Vec<String>> =
                command.iter().map(|word| Some(quoted(word.to_str()?))).collect();
            let quoted = quoted.ok_or_else(|| {
                refused(
                    "an argument or a variable is not UTF-8, which no shell of another machine needs to know",
                )
            })?;
            args.push(format!("exec {}", quoted.join(" ")).into());
        } else {
            args.extend(command);
        }
        let (path, env) = (self.path.clone(), Vec::new());
        Ok(Program { path, args, env, clear_env: false, wrapper: None, ..inner.clone() })
    }

    /// Command that the wrapper executes.
    fn command(&self, inner: &Program, events: Option<String>) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["env".into()];
        if inner.clear_env {
            words.push("-i".into());
        }
        let set = |name: &Path, value: OsString| {
            let mut word = name.as_os_str().to_owned();
            word.push("=");
            word.push(value);
            word
        };
        let removed = inner.env.iter().filter(|(_, value)| value.is_none());
        words.extend(removed.flat_map(|(name, _)| ["-u".into(), name.clone()]));
        for (name, value) in &inner.env {
            words.extend(value.clone().map(|value| set(name.as_ref(), value)));
        }
        words.push(set(CHANNEL_VARIABLE.as_ref(), format!("{}:{REMOTE_STDIO}", Stdio::NAME).into()));
        words.extend(events.map(|events| set(EVENTS_VARIABLE.as_ref(), events.into())));
        words.push(inner.path.clone().into());
        words.extend(inner.args.iter().cloned());
        words
    }
}

/// Quotes a word for a POSIX shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        for word in ["", "a b", "it's", "$HOME", "\\", "\"", "ü\n"] {
            let output = std::process::Command::new("sh")
                .args(["-c", &format!("printf %s {}", quoted(word))])
                .output();
            // There may be no shell on Windows.
            let Ok(output) = output else { return };
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
    }
}
