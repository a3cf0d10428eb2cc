use std::io;
use std::path::PathBuf;

use isolated_workers_core::{Error, ErrorKind};

use super::super::system;
use crate::driver::Program;

/// Failed step of starting a process.
#[derive(Debug)]
pub(in crate::driver) enum StartError {
    /// The private directory of the process could not be created in this folder.
    ScratchDir(PathBuf, io::Error),
    /// The system did not run the program.
    Program(io::Error),
    /// The program ran and was killed, because the host could not supervise it.
    Supervision(io::Error),
    /// An attribute of its process could not be set.
    #[cfg(unix)]
    Attribute { what: String, error: io::Error },
}

impl StartError {
    #[cfg(unix)]
    pub(in crate::driver) fn attribute(what: String, error: impl Into<io::Error>) -> Self {
        Self::Attribute { what, error: error.into() }
    }

    /// Error for the caller of `spawn`.
    pub(in crate::driver) fn describe(self, program: &Program) -> Error {
        let attempt = format!("could not start the worker {}", program.path.display());
        let (text, error) = match self {
            Self::ScratchDir(folder, error) => {
                let remedy = "name a folder that exists and is writable with `Program::scratch_dir_in`";
                let folder = folder.display();
                (
                    format!("{attempt}: its private directory could not be created in {folder}; {remedy}"),
                    error,
                )
            }
            Self::Program(error) => match refusal(program, &error) {
                Some(cause) => (format!("{attempt}: {cause}"), error),
                None => (attempt, error),
            },
            Self::Supervision(error) => {
                (format!("{attempt}: the host could not watch its process and killed it"), error)
            }
            #[cfg(unix)]
            Self::Attribute { what, error } => {
                let remedy = "start the host with that right, or set another value";
                (format!("{attempt}: {what}; {remedy}"), error)
            }
        };
        Error::with_source(ErrorKind::Spawn, text, error)
    }
}

/// Explains why the program could not be started.
fn refusal(program: &Program, error: &io::Error) -> Option<String> {
    let current_dir = program.current_dir.as_deref();
    let interpreter = program.interpreter.and_then(|it| it.refusal(&program.path, current_dir, error));
    interpreter.or_else(|| system::refusal(program, error))
}
