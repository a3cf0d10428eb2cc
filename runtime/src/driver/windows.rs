pub(super) mod host_stream;
mod job;
mod refusal;
pub(super) mod running_program;

use std::fs::Permissions;
use std::io;
use std::path::Path;

use isolated_workers_core::ExitReason;
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use windows_sys::Win32::System::Threading::{CREATE_NEW_PROCESS_GROUP, CREATE_NO_WINDOW, CREATE_SUSPENDED};

use self::job::Job;
pub(super) use self::refusal::refusal;
use super::process::StartError;

/// Attributes of a process that its host sets: none on Windows.
#[derive(Clone, Debug, Default)]
pub(super) struct Attributes {}

impl Attributes {
    /// Gives a directory to the user of the process, who is that of the host.
    #[allow(clippy::unnecessary_wraps, clippy::unused_self, reason = "the signature is that of Unix")]
    pub(super) fn give(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// Returns `None`: a directory inherits its permissions, and the folder for temporary files belongs
/// to its user.
pub(super) fn private_permissions() -> Option<Permissions> {
    None
}

/// Process group: a child process and the processes that it starts, in a job. The job ends when its
/// handle is closed, at the latest when this process exits.
pub(super) struct ProcessGroup {
    id: u32,
    leader: Child,
    job: Job,
    is_killed: bool,
    is_released: bool,
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
    pub(super) fn spawn(command: &mut Command, _: &Attributes) -> Result<Self, StartError> {
        let job = Job::new().map_err(StartError::Supervision)?;
        let window = if job::has_console() { 0 } else { CREATE_NO_WINDOW };
        let command = command.creation_flags(CREATE_SUSPENDED | CREATE_NEW_PROCESS_GROUP | window);
        let mut leader = command.spawn().map_err(StartError::Program)?;
        let id = leader.id().expect("a child that was not waited for has a pid");
        match job.run(&leader) {
            Ok(()) => Ok(Self { id, leader, job, is_killed: false, is_released: false }),
            Err(error) => {
                let _ = leader.start_kill();
                Err(StartError::Supervision(error))
            }
        }
    }

    /// Process id of the child.
    pub(super) fn id(&self) -> u32 {
        self.id
    }

    /// Takes the pipes from the child's standard output and error, if it has any.
    pub(super) fn take_output(&mut self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        (self.leader.stdout.take(), self.leader.stderr.take())
    }

    /// Sends Ctrl-Break to the process group. It reaches only a process that shares the console of
    /// this one.
    pub(super) fn terminate(&self) -> bool {
        job::has_console() && job::send_ctrl_break(self.id).is_ok()
    }

    pub(super) fn kill(&mut self) {
        self.is_killed = true;
        self.kill_members();
    }

    /// Kills the processes of the job.
    fn kill_members(&self) {
        // Fails if all processes have exited.
        let _ = self.job.terminate(KILLED_CODE.cast_unsigned());
    }

    /// Waits until the child has exited, and kills the rest of the job. Cancel-safe.
    ///
    /// Windows has no signals, so a process killed by its host is reported as killed by SIGKILL.
    pub(super) async fn wait(&mut self) -> ExitReason {
        let status = self.leader.wait().await;
        if !self.is_released {
            self.kill_members();
        }
        match status.ok().and_then(|status| status.code()) {
            Some(KILLED_CODE) if self.is_killed => ExitReason::Signaled { signal: 9, core_dumped: false },
            Some(code) => ExitReason::Exited(code),
            None => ExitReason::Unknown,
        }
    }

    /// Releases the processes, so that they outlive this value.
    pub(super) fn release(&mut self) -> io::Result<()> {
        self.job.release()?;
        self.is_released = true;
        Ok(())
    }

    pub(super) fn is_released(&self) -> bool {
        self.is_released
    }

    /// Takes back released processes. If the system refuses, they still end with their handle.
    pub(super) fn reclaim(&mut self) {
        self.is_released = false;
        let _ = self.job.reclaim();
    }

    /// Returns `false`: Windows has no OOM killer.
    pub(super) fn was_oom_killed(&self, _: ExitReason) -> bool {
        false
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if !self.is_released {
            self.kill_members();
        }
    }
}
