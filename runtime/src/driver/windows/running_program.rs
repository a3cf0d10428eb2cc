#[cfg(feature = "offload")]
use std::fs::File;
use std::io;
use std::path::PathBuf;

use tokio::process::Command;

use crate::driver::Program;

/// Returns the path from which this process was started.
pub(in crate::driver) fn path() -> io::Result<PathBuf> {
    std::env::current_exe()
}

/// Opens the file that is at the path of the program.
#[cfg(feature = "offload")]
pub(in crate::driver) fn open() -> io::Result<File> {
    File::open(std::env::current_exe()?)
}

/// Returns a command that runs the program. Windows starts the file that is at the path now.
pub(in crate::driver) fn command(program: &Program) -> Command {
    Command::new(&program.path)
}
