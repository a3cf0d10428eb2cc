mod last_words;
mod panic_report;
mod remote;
mod start_error;

use std::fmt;
use std::process::Stdio;

use isolated_workers_core::{Crash, Error, ErrorKind, ExitReason};
use isolated_workers_transport::{DefaultTransport, STRAY_DESCRIPTORS_VARIABLE, stray_descriptors};
use tokio::process::Command;
use tokio::task::{JoinHandle, spawn_blocking};
use tracing::level_filters::LevelFilter;

pub(super) use self::start_error::StartError;
#[cfg(feature = "sandbox")]
use super::confinement::{self, Confinement};
use super::output::{Output, OutputReader, StandardStream};
use super::scratch_dir::ScratchDir;
use super::system::{ProcessGroup, running_program};
use super::{Captured, Detach, Driver, Launch, Program, Running};
use crate::launch::{self, ENTRY_VARIABLE, EVENTS_VARIABLE, SCRATCH_DIR_VARIABLE};

/// Exit code of `ssh` for its own failures.
const SSH_FAILURE: i32 = 255;

/// Handle of a child process and the processes of its group. They are killed when this value is
/// dropped or the child exits, unless it was detached.
pub struct Process {
    group: ProcessGroup,
    stdout: Option<OutputReader>,
    stderr: Option<OutputReader>,
    scratch_dir: Option<ScratchDir>,
    /// Removal of the scratch directory.
    removal: Option<JoinHandle<()>>,
    /// `true` if the process is `ssh`, and the worker is on another machine.
    is_ssh: bool,
    #[cfg(feature = "sandbox")]
    confinement: Option<Confinement>,
}

impl Process {
    pub(super) fn spawn(program: &Program, launch: Launch) -> Result<Self, Error> {
        if let Some(wrapper) = &program.wrapper {
            let outer = remote::outer_program(wrapper, program, &launch, events(program, false))?;
            let mut process = Self::spawn_in(&outer, launch, None)?;
            process.is_ssh = wrapper.is_ssh;
            return Ok(process);
        }
        let Some(folder) = &program.scratch_parent else { return Self::spawn_in(program, launch, None) };
        let dir = ScratchDir::create(folder, &program.attributes)
            .map_err(|error| StartError::ScratchDir(folder.clone(), error).describe(program))?;
        let mut program = program.clone();
        program.current_dir = Some(dir.path().to_owned());
        // A relative path would start at the new working directory. A bare name is found in `PATH`.
        if program.path.components().nth(1).is_some() {
            program.path = std::path::absolute(&program.path).unwrap_or(program.path);
        }
        Self::spawn_in(&program, launch, Some(dir))
    }

    fn spawn_in(program: &Program, launch: Launch, scratch_dir: Option<ScratchDir>) -> Result<Self, Error> {
        let Launch { variable: (key, value), inheritance, .. } = launch;
        #[cfg(feature = "sandbox")]
        let confinement = launch.sandbox.map(|sandbox| Confinement::plan(program, sandbox)).transpose()?;
        #[cfg(feature = "sandbox")]
        let mut command = match &confinement {
            Some(confinement) => confinement.command(program),
            None => running_program::command(program),
        };
        #[cfg(not(feature = "sandbox"))]
        let mut command = running_program::command(program);
        let events = events(program, inheritance.stdout.is_none());
        if program.clear_env {
            command.env_clear();
        }
        for (key, value) in &program.env {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        command
            .args(&program.args)
            .env(key, value)
            .stdin(inheritance.stdin.unwrap_or_else(Stdio::null))
            .stdout(inheritance.stdout.unwrap_or_else(|| program.stdout.stdio()))
            .stderr(program.stderr.stdio())
            // The process group kills all of its processes when it is dropped.
            .kill_on_drop(false);
        if let Some(path) = &program.current_dir {
            command.current_dir(path);
        }
        match program.entry {
            Some(entry) => command.env(ENTRY_VARIABLE, entry),
            None => command.env_remove(ENTRY_VARIABLE),
        };
        match &scratch_dir {
            Some(dir) => command.env(SCRATCH_DIR_VARIABLE, dir.path()),
            None => command.env_remove(SCRATCH_DIR_VARIABLE),
        };
        match events {
            Some(events) => command.env(EVENTS_VARIABLE, events),
            None => command.env_remove(EVENTS_VARIABLE),
        };
        #[cfg(feature = "sandbox")]
        match &confinement {
            Some(it) => it.pass(&mut command, program, scratch_dir.as_ref().map(ScratchDir::path))?,
            None => confinement::forget(&mut command),
        }
        // Listed last, to leave other threads little time to open a descriptor that the list lacks.
        let strays = if program.inherit_descriptors { None } else { stray_descriptors() };
        match strays {
            Some(list) => command.env(STRAY_DESCRIPTORS_VARIABLE, list),
            None => command.env_remove(STRAY_DESCRIPTORS_VARIABLE),
        };
        let mut process = Self::supervise(&mut command, program).map_err(|error| error.describe(program))?;
        process.scratch_dir = scratch_dir;
        #[cfg(feature = "sandbox")]
        {
            process.confinement = confinement;
        }
        Ok(process)
    }

    fn supervise(command: &mut Command, program: &Program) -> Result<Self, StartError> {
        let mut group = ProcessGroup::spawn(command, &program.attributes)?;
        let pid = group.id();
        let sink =
            |output: Output, from| output.sink(from, pid, &program.path).map_err(StartError::Supervision);
        let (stdout, stderr) = group.take_output();
        let stdout = match stdout {
            Some(stdout) => Some(OutputReader::new(stdout, sink(program.stdout, StandardStream::Output)?)),
            None => None,
        };
        let stderr = match stderr {
            Some(stderr) => Some(OutputReader::new(stderr, sink(program.stderr, StandardStream::Error)?)),
            None => None,
        };
        Ok(Self {
            group,
            stdout,
            stderr,
            scratch_dir: None,
            removal: None,
            is_ssh: false,
            #[cfg(feature = "sandbox")]
            confinement: None,
        })
    }

    /// Reads the rest of the output. The group was killed, so only a process outside it can hold
    /// the streams open.
    async fn finish_output(&mut self) {
        let finish = async |stream: &mut Option<OutputReader>| {
            if let Some(stream) = stream {
                stream.finish().await;
            }
        };
        tokio::join!(finish(&mut self.stdout), finish(&mut self.stderr));
    }

    /// Removes the scratch directory of a process that has ended. Cancel-safe.
    async fn remove_scratch_dir(&mut self) {
        if let Some(dir) = self.scratch_dir.take() {
            self.removal = Some(spawn_blocking(|| dir.remove()));
        }
        if let Some(removal) = &mut self.removal {
            let _ = removal.await;
            self.removal = None;
        }
    }
}

/// Returns the stream that takes a worker's `tracing` events, and their maximum level.
/// `has_stdout`: `false` if the standard output is the connection.
fn events(program: &Program, has_stdout: bool) -> Option<String> {
    let stream = match (program.stderr, program.stdout) {
        (Output::Trace, _) => "stderr",
        (_, Output::Trace) if has_stdout => "stdout",
        _ => return None,
    };
    Some(format!("{stream}:{}", LevelFilter::current()))
}

impl Drop for Process {
    fn drop(&mut self) {
        let Some(dir) = self.scratch_dir.take() else { return };
        if self.group.is_released() {
            dir.leave();
        } else {
            self.group.kill();
            dir.remove_in_background();
        }
    }
}

impl Running for Process {
    type Pid = u32;

    fn pid(&self) -> u32 {
        self.group.id()
    }

    async fn wait(&mut self) -> ExitReason {
        let reason = self.group.wait().await;
        self.finish_output().await;
        self.remove_scratch_dir().await;
        reason
    }

    fn terminate(&mut self) -> bool {
        self.group.terminate()
    }

    fn kill(&mut self) {
        self.group.kill();
    }

    fn captured(&self) -> Captured {
        let tail = |stream: &Option<OutputReader>| stream.as_ref().map(|stream| stream.tail().clone());
        Captured { stdout: tail(&self.stdout), stderr: tail(&self.stderr) }
    }

    #[cfg(feature = "sandbox")]
    fn sandbox(&self) -> Option<crate::sandbox::Report> {
        self.confinement.as_ref().map(|confinement| confinement.report().clone())
    }

    async fn last_words(&mut self) -> String {
        last_words::of(&self.captured().stderr()).to_owned()
    }

    async fn explain(&mut self, crash: &mut Crash) {
        crash.stderr = self.last_words().await;
        crash.panic = panic_report::find(&self.captured().stderr(), crash.reason);
        crash.out_of_memory = self.group.was_oom_killed(crash.reason);
        crash.ssh = self.is_ssh && crash.reason == ExitReason::Exited(SSH_FAILURE);
        #[cfg(feature = "sandbox")]
        if let Some(confinement) = &self.confinement {
            confinement.explain(crash, &self.captured().stderr());
        }
    }
}

impl Detach for Process {
    fn can_detach(&self) -> Result<(), Error> {
        if self.stdout.is_some() || self.stderr.is_some() {
            let why = "its output goes through this host";
            let what =
                "start it with `.stderr(Output::Inherit)` or `Output::Discard`, and do the same for `stdout`";
            return Err(Error::new(
                ErrorKind::Config,
                format!("could not detach the worker (pid {}): {why}; {what}", self.pid()),
            ));
        }
        Ok(())
    }

    fn detach(&mut self) -> Result<(), Error> {
        self.group.release().map_err(|error| {
            let text = format!("could not detach the worker (pid {})", self.pid());
            Error::with_source(ErrorKind::Config, text, error)
        })
    }

    fn reclaim(&mut self) {
        self.group.reclaim();
    }
}

impl Driver for Program {
    type Transport = DefaultTransport;
    type Running = Process;

    fn subject(&self) -> String {
        self.path.display().to_string()
    }

    fn transport(&self) -> DefaultTransport {
        DefaultTransport
    }

    fn start(&self, launch: Launch) -> Result<Process, Error> {
        launch::check_may_start(&self.subject())?;
        Process::spawn(self, launch)
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("pid", &self.pid()).finish_non_exhaustive()
    }
}
