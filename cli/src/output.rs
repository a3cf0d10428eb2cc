//! Standard output and error of this process.

use std::fs::File;
use std::io::{self, IsTerminal, Write};

use crate::pretty;

/// Standard output of this command, which no worker shares.
pub(crate) struct Output {
    out: File,
    is_terminal: bool,
}

impl Output {
    /// Takes the standard output. What anything else prints there, such as a worker, goes to the
    /// standard error from then on, so that a reader of a pipe gets answers only.
    pub(crate) fn take() -> io::Result<Self> {
        let is_terminal = io::stdout().is_terminal();
        Ok(Self { out: take_stdout()?, is_terminal })
    }

    /// Returns `true` if the output is a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Writes a JSON value: on several lines on a terminal, otherwise on one line.
    pub(crate) fn write_json(&mut self, json: &str) -> io::Result<()> {
        let json = if self.is_terminal { pretty::indented(json) } else { pretty::on_one_line(json) };
        self.write_line(&json)
    }

    /// Writes a JSON value on one line.
    pub(crate) fn write_json_line(&mut self, json: &str) -> io::Result<()> {
        self.write_line(&pretty::on_one_line(json))
    }

    /// Writes a text and a line feed. Blocks while nobody reads them.
    pub(crate) fn write_line(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(format!("{text}\n").as_bytes())
    }
}

#[cfg(unix)]
fn take_stdout() -> io::Result<File> {
    use std::os::fd::AsFd;
    let own = io::stdout().as_fd().try_clone_to_owned()?;
    rustix::stdio::dup2_stdout(io::stderr())?;
    Ok(own.into())
}

#[cfg(windows)]
fn take_stdout() -> io::Result<File> {
    use std::os::windows::io::AsHandle;
    Ok(io::stdout().as_handle().try_clone_to_owned()?.into())
}

/// Writes a line to the standard error. Without a reader, it is lost.
pub(crate) fn write_error(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Style of a text, if its stream is a terminal and `NO_COLOR` is not set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style(Option<&'static str>);

impl Style {
    /// Wraps a text in the codes of the style.
    pub(crate) fn paint(self, text: &str) -> String {
        match self.0 {
            Some(code) => format!("\x1b[{code}m{text}\x1b[0m"),
            None => text.to_owned(),
        }
    }
}

/// Returns the style with this ANSI code for the standard error.
pub(crate) fn error_style(code: &'static str) -> Style {
    let is_refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    Style((io::stderr().is_terminal() && !is_refused).then_some(code))
}
