use std::process::ExitStatus;

use isolated_workers_core::ExitReason;
use tokio::process::{Child, Command};

pub(super) fn isolate(_: &mut Command) {}

pub(super) fn kill(child: &mut Child) {
    let _ = child.start_kill();
}

pub(super) fn signal(_: ExitStatus) -> ExitReason {
    ExitReason::Disconnected
}
