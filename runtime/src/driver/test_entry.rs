use isolated_workers_core::Error;

use super::{Output, Program};

/// Test function of this program, and entry of the workers that it starts.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct TestEntry {
    /// Path of the function, which begins with its crate.
    pub(crate) path: &'static str,
    is_main: bool,
}

#[cfg(feature = "offload")]
inventory::collect!(TestEntry);

impl TestEntry {
    /// Entry of the test function at `path`.
    pub const fn of_test(path: &'static str) -> Self {
        Self { path, is_main: false }
    }

    /// Entry of the `main` at `path`, of a test program without a harness.
    pub const fn of_main(path: &'static str) -> Self {
        Self { path, is_main: true }
    }

    /// Returns this program, with the arguments that make its harness run this test.
    ///
    /// # Errors
    /// `Spawn` if the path of the program cannot be determined.
    pub(crate) fn program(self) -> Result<Program, Error> {
        let program = Program::current_exe()?;
        if self.is_main {
            return Ok(program);
        }
        // The harness names tests without their crate.
        let name = self.path.split_once("::").map_or(self.path, |(_, name)| name);
        // Without a thread of its own, and without captured output, so that a panic is printed at
        // once. The harness itself prints to the standard output.
        let arguments = ["--exact", name, "--include-ignored", "--test-threads", "1", "--nocapture"];
        Ok(program.args(arguments).stdout(Output::Capture))
    }
}
