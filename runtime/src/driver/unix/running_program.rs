//! The program of this process, even if its file was replaced or removed.

#[cfg(feature = "offload")]
use std::fs::File;
use std::io;
use std::path::PathBuf;

use tokio::process::Command;

use crate::driver::Program;

/// Returns the path from which this process was started.
pub(in crate::driver) fn path() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    #[cfg(target_os = "linux")]
    if let Some(replaced) = linux::replaced(&path) {
        return Ok(replaced);
    }
    Ok(path)
}

/// Opens the file of the program.
#[cfg(feature = "offload")]
pub(in crate::driver) fn open() -> io::Result<File> {
    let path = std::env::current_exe()?;
    #[cfg(target_os = "linux")]
    if linux::replaced(&path).is_some() {
        return File::open(linux::RUNNING);
    }
    File::open(path)
}

/// Returns a command that runs the program.
pub(in crate::driver) fn command(program: &Program) -> Command {
    #[cfg(target_os = "linux")]
    if program.is_current_exe && std::env::current_exe().is_ok_and(|path| linux::replaced(&path).is_some()) {
        let mut command = Command::new(linux::RUNNING);
        command.arg0(&program.path);
        return command;
    }
    Command::new(&program.path)
}

#[cfg(all(target_os = "linux", feature = "sandbox"))]
pub(in crate::driver) use linux::RUNNING;

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::path::{Path, PathBuf};

    /// Link to the running program. The new process resolves it before it replaces its own program.
    /// Used only in a sandbox or if the file is gone: under an emulator or Valgrind, it links to that.
    pub(in crate::driver) const RUNNING: &str = "/proc/self/exe";

    /// Returns the path of a file that was replaced or removed. The kernel marks it.
    pub(super) fn replaced(path: &Path) -> Option<PathBuf> {
        let name = path.as_os_str().as_bytes().strip_suffix(b" (deleted)").filter(|_| !path.exists())?;
        Some(PathBuf::from(OsStr::from_bytes(name)))
    }
}
