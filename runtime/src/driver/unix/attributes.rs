use std::io;
use std::os::unix::fs::chown;
use std::path::Path;

use rustix::process::{Pid, setpriority_process};
use tokio::process::{Child, Command};

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
    /// Starts a process with these attributes.
    pub(in crate::driver) fn spawn(&self, command: &mut Command) -> Result<Child, StartError> {
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        self.spawn_as_user(command)
    }

    /// Niceness and processors belong to threads, and a process inherits those of the thread that
    /// starts it. If they were set later, threads that it has started by then would lack them.
    #[cfg(target_os = "linux")]
    fn spawn_as_user(&self, command: &mut Command) -> Result<Child, StartError> {
        use std::panic::resume_unwind;
        use std::thread;

        use tokio::runtime::Handle;

        if self.niceness.is_none() && self.cpus.is_empty() {
            return command.spawn().map_err(StartError::Program);
        }
        let runtime = Handle::current();
        let start = || {
            let _context = runtime.enter();
            self.set_niceness(None)?;
            self.pin_this_thread().map_err(|error| {
                let cpus = &self.cpus;
                StartError::attribute(format!("it could not be restricted to the processors {cpus:?}"), error)
            })?;
            command.spawn().map_err(StartError::Program)
        };
        thread::scope(|scope| {
            let thread = thread::Builder::new().name("iw-start".to_owned()).spawn_scoped(scope, start);
            thread.map_err(StartError::Program)?.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }

    /// Niceness belongs to processes.
    #[cfg(not(target_os = "linux"))]
    fn spawn_as_user(&self, command: &mut Command) -> Result<Child, StartError> {
        let child = command.spawn().map_err(StartError::Program)?;
        let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        match self.set_niceness(pid) {
            Ok(()) => Ok(child),
            Err(error) => {
                let id = pid.expect("a child that was not reaped has a pid");
                super::kill_started(id, child);
                Err(error)
            }
        }
    }

    /// Sets the niceness of a process, or of this thread.
    fn set_niceness(&self, pid: Option<Pid>) -> Result<(), StartError> {
        let Some(niceness) = self.niceness else { return Ok(()) };
        setpriority_process(pid, niceness).map_err(|error| {
            StartError::attribute(format!("its niceness could not be set to {niceness}"), error)
        })
    }

    /// Gives a directory to the user of the process.
    pub(in crate::driver) fn give(&self, path: &Path) -> io::Result<()> {
        match self.user {
            Some((user, group)) => chown(path, Some(user), Some(group)),
            None => Ok(()),
        }
    }

    #[cfg(target_os = "linux")]
    fn pin_this_thread(&self) -> rustix::io::Result<()> {
        use rustix::io::Errno;
        use rustix::thread::{CpuSet, sched_setaffinity};

        if self.cpus.is_empty() {
            return Ok(());
        }
        let mut set = CpuSet::new();
        for cpu in &self.cpus {
            if *cpu >= CpuSet::MAX_CPU {
                return Err(Errno::INVAL);
            }
            set.set(*cpu);
        }
        sched_setaffinity(None, &set)
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
