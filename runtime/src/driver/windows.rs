mod job;

use std::io;
use std::process::ExitStatus;

use isolated_workers_core::ExitReason;
use tokio::process::{Child, Command};
use windows_sys::Win32::System::Threading::{CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW, CREATE_SUSPENDED};

use self::job::Job;

/// Process group: a child process and the processes that it starts, in a job. The job ends when its
/// handle is closed, at the latest when this process exits.
pub(super) struct ProcessGroup {
    job: Job,
    is_killed: bool,
}

/// Exit code of a process that its host has killed, as a shell reports SIGKILL.
const KILLED_CODE: i32 = 137;

impl ProcessGroup {
    /// Starts a process in its own job. The process starts suspended, so that none of its children
    /// escapes the job.
    ///
    /// As the root of a process group, the process does not receive Ctrl-C from the host's console.
    /// It shares that console and can print there. If there is no console, the process gets no
    /// window.
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

    /// Kills the processes of the job.
    pub(super) fn kill_rest(&self, _: &Child) {
        // Fails if all processes have exited.
        let _ = self.job.terminate(KILLED_CODE.cast_unsigned());
    }

    /// Waits until the process has exited.
    pub(super) async fn ended(&mut self, child: &mut Child) {
        // The caller queries the status again.
        let _ = child.wait().await;
    }

    /// Detaches the processes, so that they outlive this value.
    pub(super) fn release(&self) -> io::Result<()> {
        self.job.release()
    }

    /// Returns the exit reason. Windows has no signals, so a process killed by its host is reported
    /// as killed by SIGKILL.
    pub(super) fn reason(&self, status: ExitStatus) -> ExitReason {
        match status.code() {
            Some(KILLED_CODE) if self.is_killed => ExitReason::Signaled { signal: 9, core_dumped: false },
            Some(code) => ExitReason::Exited(code),
            None => ExitReason::Disconnected,
        }
    }

    /// Returns `false`: Windows has no OOM killer.
    pub(super) fn was_oom_killed(&self, _: ExitReason) -> bool {
        false
    }
}
