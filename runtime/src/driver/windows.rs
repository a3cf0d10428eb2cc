mod job;

use std::io;
use std::process::ExitStatus;

use isolated_workers_core::ExitReason;
use tokio::process::{Child, Command};
use windows_sys::Win32::System::Threading::{CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW, CREATE_SUSPENDED};

use self::job::Job;

/// A process and all that it starts: a job, which ends with its handle, and so with this process.
pub(super) struct Group {
    job: Job,
    is_killed: bool,
}

/// What a process ends with that its host has killed: what a shell makes of SIGKILL.
const KILLED: i32 = 137;

impl Group {
    /// Starts a process in a job of its own. It runs no code before it is in there, so that nothing it starts is left
    /// out.
    ///
    /// As the root of a process group it does not hear of Ctrl-C at the host's console, which is the host's matter. It
    /// shares that console, so that it can print there; where there is none, it gets no window of its own either.
    pub(super) fn spawn(command: &mut Command) -> io::Result<(Child, Self)> {
        let job = Job::new()?;
        let window = if job::has_console() { 0 } else { CREATE_NO_WINDOW };
        let mut child =
            command.creation_flags(CREATE_SUSPENDED | CREATE_NEW_PROCESS_GROUP | window).spawn()?;
        match job.run(&child) {
            Ok(()) => Ok((child, Self { job, is_killed: false })),
            Err(error) => {
                let _ = child.start_kill();
                Err(error)
            }
        }
    }

    pub(super) fn kill(&mut self, child: &Child) {
        self.is_killed = true;
        self.kill_rest(child);
    }

    /// Kills what is there of the job.
    pub(super) fn kill_rest(&self, _: &Child) {
        // It fails where all have ended.
        let _ = self.job.terminate(KILLED.cast_unsigned());
    }

    /// QueueStats until the process has ended.
    pub(super) async fn ended(&mut self, child: &mut Child) {
        // What it returns is asked for once more.
        let _ = child.wait().await;
    }

    /// From now on, the processes outlive this value.
    pub(super) fn let_go(&self) -> io::Result<()> {
        self.job.let_go()
    }

    /// Windows has no signals. A process that was killed by its host says what it would elsewhere.
    pub(super) fn reason(&self, status: ExitStatus) -> ExitReason {
        match status.code() {
            Some(KILLED) if self.is_killed => ExitReason::Signalled { signal: 9, core_dumped: false },
            Some(code) => ExitReason::Exited(code),
            None => ExitReason::Disconnected,
        }
    }

    /// Windows ends nobody for want of memory: it refuses to give more.
    pub(super) fn ran_out_of_memory(&self, _: ExitReason) -> bool {
        false
    }
}
