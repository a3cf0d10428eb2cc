use rustix::process::{Pid, setpriority_process};
use tokio::process::Command;

use crate::driver::Program;
use crate::driver::process::StartError;

/// Attributes of a process that its host sets.
#[derive(Clone, Debug, Default)]
pub(in crate::driver) struct Attributes {
    user: Option<(u32, u32)>,
    niceness: Option<i32>,
    #[cfg(target_os = "linux")]
    cpus: Vec<usize>,
}

impl Attributes {
    /// Sets what the process has before it loads the program.
    pub(in crate::driver) fn prepare(&self, command: &mut Command) {
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
    }

    /// Sets the attributes of a process that was just started. It has one thread, and its later
    /// threads and children inherit them.
    pub(in crate::driver) fn apply(&self, pid: Pid) -> Result<(), StartError> {
        if let Some(niceness) = self.niceness {
            setpriority_process(Some(pid), niceness).map_err(|error| {
                StartError::attribute(format!("its niceness could not be set to {niceness}"), error)
            })?;
        }
        #[cfg(target_os = "linux")]
        if !self.cpus.is_empty() {
            self.pin(pid).map_err(|error| {
                let cpus = &self.cpus;
                StartError::attribute(format!("it could not be restricted to the processors {cpus:?}"), error)
            })?;
        }
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn pin(&self, pid: Pid) -> rustix::io::Result<()> {
        use rustix::io::Errno;
        use rustix::thread::{CpuSet, sched_setaffinity};

        let mut set = CpuSet::new();
        for cpu in &self.cpus {
            if *cpu >= CpuSet::MAX_CPU {
                return Err(Errno::INVAL);
            }
            set.set(*cpu);
        }
        sched_setaffinity(Some(pid), &set)
    }

    pub(in crate::driver) fn has_user(&self) -> bool {
        self.user.is_some()
    }
}

/// Attributes that only Unix has.
impl Program {
    /// Runs the process as another user and group, without supplementary groups. The host must be
    /// root, and the user must be allowed to run the program.
    pub fn user(mut self, uid: u32, gid: u32) -> Self {
        self.attributes.user = Some((uid, gid));
        self
    }

    /// Sets the niceness of the process: -20 is the highest priority, 19 the lowest. Default: that
    /// of the host. A value below the host's takes a privilege.
    pub fn nice(mut self, niceness: i32) -> Self {
        self.attributes.niceness = Some(niceness);
        self
    }

    /// Restricts the process to these processors, counted from 0. Default: those of the host. Only
    /// on Linux.
    ///
    /// ```
    /// use isolated_workers_runtime::Program;
    ///
    /// let background = Program::new("./indexer").nice(10).cpus([0, 1]);
    /// ```
    #[cfg(target_os = "linux")]
    pub fn cpus(mut self, cpus: impl IntoIterator<Item = usize>) -> Self {
        self.attributes.cpus = cpus.into_iter().collect();
        self
    }
}
