use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What the exit code of a process that a signal has ended begins at.
const ENDED_BY: i32 = 128;

pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Must be called within a tokio runtime.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// QueueStats for the next one, and returns the exit code that tells of it.
    pub(super) async fn next(&mut self) -> i32 {
        let kind = tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
        };
        ENDED_BY + kind.as_raw_value()
    }
}
