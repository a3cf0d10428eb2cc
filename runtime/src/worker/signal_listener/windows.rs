use std::io;

use tokio::signal::windows::{CtrlBreak, CtrlC, ctrl_break, ctrl_c};
use windows_sys::Win32::Foundation::STATUS_CONTROL_C_EXIT;

pub(super) struct ShutdownSignals {
    interrupt: CtrlC,
    stop: CtrlBreak,
}

impl ShutdownSignals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { interrupt: ctrl_c()?, stop: ctrl_break()? })
    }

    /// Waits for the next signal, and returns its exit code.
    pub(super) async fn next(&mut self) -> i32 {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.stop.recv() => {}
        }
        STATUS_CONTROL_C_EXIT
    }
}
