use std::io;
use std::process::ExitCode;

use isolated_workers::Error;
use isolated_workers::error::Executed;
use serde_json::{Value, json};

use crate::{advice, exit_code, output};

/// Failure of a command. Each has an exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command, its address or its arguments are invalid.
    Usage(String),
    /// The worker or a call failed.
    Worker(Error),
    /// The same, with advice that needs more than the error.
    Advised(Error, String),
    /// A value cannot be converted between JSON and the codec of the worker.
    Value(String),
    /// A comparison found a difference, which was printed.
    Different,
    /// Some calls of many failed; the exit code is that of the first one. They were reported.
    Reported(u8),
    /// Ctrl-C.
    Interrupted,
    /// Standard input or output, or a file, failed.
    Io(io::Error),
}

impl Failure {
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => exit_code::USAGE,
            Self::Worker(error) | Self::Advised(error, _) => exit_code::of_error(error),
            Self::Value(_) => exit_code::VALUE,
            Self::Different => exit_code::DIFFERENT,
            Self::Reported(code) => *code,
            Self::Interrupted => exit_code::INTERRUPTED,
            // Nobody reads the output any more, as after `| head`.
            Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Io(_) => exit_code::OTHER,
        }
    }

    /// Writes the failure to standard error, as one JSON object if `as_json`, and returns its exit
    /// code.
    pub(crate) fn report(&self, as_json: bool) -> ExitCode {
        let code = self.exit_code();
        let is_silent = code == 0 || matches!(self, Self::Different | Self::Reported(_) | Self::Interrupted);
        if !is_silent {
            match as_json {
                true => output::write_error(&self.to_json().to_string()),
                false => output::write_error(&self.to_text()),
            }
        }
        code.into()
    }

    fn to_text(&self) -> String {
        let red = output::error_style("31;1");
        let text = format!("{}: {}", red.paint("error"), self.message());
        match self.advice() {
            Some(advice) => format!("{text}\n  try: {advice}"),
            None => text,
        }
    }

    /// Text of the failure, without advice.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Usage(text) | Self::Value(text) => text.clone(),
            Self::Worker(error) | Self::Advised(error, _) => format!("{error:#}"),
            Self::Io(error) => error.to_string(),
            Self::Different | Self::Reported(_) | Self::Interrupted => String::new(),
        }
    }

    fn advice(&self) -> Option<String> {
        match self {
            Self::Worker(error) => advice::of_error(error).map(str::to_owned),
            Self::Advised(_, advice) => Some(advice.clone()),
            _ => None,
        }
    }

    /// The failure as an object with the key `error`.
    pub(crate) fn to_json(&self) -> Value {
        let mut error = json!({ "exit_code": self.exit_code(), "message": self.message() });
        if let Some(advice) = self.advice() {
            error["try"] = advice.into();
        }
        if let Self::Worker(cause) | Self::Advised(cause, _) = self {
            error["kind"] = format!("{:?}", cause.kind()).into();
            error["executed"] = match cause.executed() {
                Executed::No => "no",
                Executed::Yes => "yes",
                _ => "maybe",
            }
            .into();
            if let Some(remote) = cause.remote_error() {
                error["name"] = remote.name.clone().into();
                error["code"] = remote.code.clone().into();
                let value = remote.data.as_deref().and_then(|data| serde_json::from_slice(data).ok());
                error["value"] = value.unwrap_or(Value::Null);
            }
        }
        json!({ "error": error })
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Worker(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
