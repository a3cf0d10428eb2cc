use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use super::protection::{Protection, ProtectionSet};

/// Confinement of a worker process, set by `Worker::builder(..).sandbox(..)` or that of a pool.
///
/// A sandbox is strict: if a protection that it asks for cannot be had, the worker is not started,
/// and the error has the kind [`Sandbox`](isolated_workers_core::ErrorKind::Sandbox). Each process
/// of the worker is confined in the same way, also a respawned or spare one.
///
/// Only Linux on x86-64 and 64-bit Arm has the mechanisms. On other systems every protection is
/// unavailable, and the start fails.
///
/// ```no_run
/// use std::time::Duration;
///
/// use isolated_workers_runtime::sandbox::Sandbox;
/// use isolated_workers_runtime::{Program, Worker};
///
/// # async fn example() -> Result<(), isolated_workers_core::Error> {
/// let sandbox = Sandbox::deny_all().memory(512 << 20).cpu_time(Duration::from_secs(60));
/// let worker = Worker::builder(Program::current_exe()?).sandbox(sandbox).spawn().await?;
/// println!("{}", worker.sandbox());
/// # Ok(())
/// # }
/// ```
///
/// # Ways to confine
/// A worker that is the program of its host ([`Program::current_exe`](crate::Program::current_exe))
/// confines itself before its `main`. For every other program, the host starts its own program
/// once more, which confines itself and then executes the other one. That other program is
/// therefore confined whether it knows this library or not. The program of the host must link this
/// library statically.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "pass it to `.sandbox(..)` of a builder"]
pub struct Sandbox {
    pub(super) asked: ProtectionSet,
    pub(super) may_lack: ProtectionSet,
    pub(super) reads: Vec<PathBuf>,
    pub(super) writes: Vec<PathBuf>,
    pub(super) executes: Vec<PathBuf>,
    pub(super) limits: Limits,
    pub(super) max_processes: u32,
    pub(super) kept_variables: Vec<OsString>,
    pub(super) kills: bool,
}

/// Limits of a sandbox, in bytes, seconds and descriptors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) memory: Option<u64>,
    pub(crate) cpu_time: Option<u64>,
    pub(crate) open_files: Option<u64>,
    pub(crate) file_size: Option<u64>,
}

/// Maximum number of open descriptors, unless another one is set.
const OPEN_FILES: u64 = 256;

impl Sandbox {
    /// Asks for every [`Protection`], with at most 256 open descriptors. Memory, processor time and
    /// file sizes are limited once a limit is set.
    ///
    /// The worker may read what a program needs to run: the system's shared libraries, locales,
    /// time zones, its own executable, its own folder in `/proc`, and `/dev/null`, `/dev/zero`,
    /// `/dev/full`, `/dev/random` and `/dev/urandom`. It may write to the first three of these, and to
    /// its [scratch directory](crate::Program::scratch_dir). If a network protection is
    /// [off](Self::without), it may read what name resolution needs. Its environment has only
    /// `PATH`, `LANG`, `LANGUAGE`, `LC_*`, `TZ`, `RUST_BACKTRACE` and `RUST_LIB_BACKTRACE` of its
    /// host, and the variables that its [`Program`](crate::Program) sets.
    pub fn deny_all() -> Self {
        let mut asked = ProtectionSet::of(Protection::ALL);
        for limit in [Protection::Memory, Protection::CpuTime, Protection::FileSize] {
            asked.remove(limit);
        }
        Self::new(asked)
    }

    /// Asks for the protections that take nothing from an ordinary worker: no core dumps, at most
    /// 256 open descriptors, no new privileges. Its files, network and system calls are not
    /// confined: it guards against accidents of trusted code.
    pub fn crash_only() -> Self {
        Self::new(ProtectionSet::of(&[
            Protection::OpenFiles,
            Protection::CoreDumps,
            Protection::NewPrivileges,
        ]))
    }

    fn new(asked: ProtectionSet) -> Self {
        Self {
            asked,
            may_lack: ProtectionSet::EMPTY,
            reads: Vec::new(),
            writes: Vec::new(),
            executes: Vec::new(),
            limits: Limits { open_files: Some(OPEN_FILES), ..Limits::default() },
            max_processes: 0,
            kept_variables: Vec::new(),
            kills: false,
        }
    }

    /// Turns a protection off, which allows what it refuses: `without(Protection::Tcp)` allows TCP.
    pub fn without(mut self, protection: Protection) -> Self {
        self.asked.remove(protection);
        self
    }

    /// Starts the worker even if this protection cannot be had, or only a part of it. The
    /// [report](crate::Worker::sandbox) says if it is missing.
    pub fn may_lack(mut self, protection: Protection) -> Self {
        self.may_lack.insert(protection);
        self
    }

    /// Allows the worker to read this file, or the files and folders below this folder. The path must
    /// exist when the worker starts; a relative one starts at the working directory of the host.
    pub fn read(mut self, path: impl Into<PathBuf>) -> Self {
        self.reads.push(path.into());
        self
    }

    /// Allows the worker to read and write this file, or to read, write, create and remove files
    /// and folders below this folder. Otherwise as [`read`](Self::read).
    pub fn write(mut self, path: impl Into<PathBuf>) -> Self {
        self.writes.push(path.into());
        self
    }

    /// Allows the worker to execute this program, or the programs below this folder, and to read
    /// them. It takes the place of the worker, unless [`processes`](Self::processes) allows new
    /// ones. Name the interpreter or dynamic loader of the program too.
    pub fn execute(mut self, path: impl Into<PathBuf>) -> Self {
        self.executes.push(path.into());
        self
    }

    /// Limits the address space of the worker, in bytes. Default: no limit.
    ///
    /// The address space is larger than the memory in use: a worker of this library starts with
    /// about 10 MB, and each thread adds its stack of 2 MiB, or 8 MiB if C starts it. An allocation
    /// beyond the limit fails, which ends a program in Rust.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.limits.memory = Some(bytes);
        self.asked.insert(Protection::Memory);
        self
    }

    /// Limits the processor time that each process of the worker uses in its life, rounded up to
    /// seconds. Default: no limit. A SIGXCPU ends a worker that exceeds it.
    pub fn cpu_time(mut self, time: Duration) -> Self {
        let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
        self.limits.cpu_time = Some(seconds.max(1));
        self.asked.insert(Protection::CpuTime);
        self
    }

    /// Limits the number of open descriptors. Default: 256.
    pub fn open_files(mut self, count: u64) -> Self {
        self.limits.open_files = Some(count);
        self.asked.insert(Protection::OpenFiles);
        self
    }

    /// Limits the size of each file that the worker writes, in bytes. Default: no limit. A SIGXFSZ
    /// ends a worker that exceeds it. The number of files is not limited.
    pub fn file_size(mut self, bytes: u64) -> Self {
        self.limits.file_size = Some(bytes);
        self.asked.insert(Protection::FileSize);
        self
    }

    /// Sets the number of processes that the worker may start. Default of
    /// [`deny_all`](Self::deny_all): 0.
    ///
    /// Any other number needs a control group, which this library does not create: the start fails,
    /// unless the sandbox [may lack](Self::may_lack) [`Protection::Processes`]. Their number is then
    /// not limited. They are confined as the worker is, and end with it.
    pub fn processes(mut self, max: u32) -> Self {
        self.max_processes = max;
        self.asked.insert(Protection::Processes);
        self
    }

    /// Keeps this environment variable of the host. Variables that
    /// [`Program::env`](crate::Program::env) sets are kept in any case.
    pub fn keep_variable(mut self, name: impl Into<OsString>) -> Self {
        self.kept_variables.push(name.into());
        self
    }

    /// Ends the worker by a SIGSYS when it makes a system call that is refused. Default: the call
    /// fails with `EPERM`.
    ///
    /// The crash error names the system call if the program uses this library and its standard error
    /// is [captured](crate::Output). Files that are not listed still fail with `EACCES`.
    pub fn kill_on_violation(mut self) -> Self {
        self.kills = true;
        self
    }

    /// Protections that are asked for and must be had.
    pub(super) fn is_required(&self, protection: Protection) -> bool {
        self.asked.contains(protection) && !self.may_lack.contains(protection)
    }

    /// Returns `true` if an environment variable of the host is passed on.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    pub(crate) fn keeps_variable(&self, name: &std::ffi::OsStr) -> bool {
        const KEPT: [&str; 6] = ["PATH", "LANG", "LANGUAGE", "TZ", "RUST_BACKTRACE", "RUST_LIB_BACKTRACE"];
        let is_kept = |name: &str| KEPT.contains(&name) || name.starts_with("LC_");
        name.to_str().is_some_and(is_kept) || self.kept_variables.iter().any(|kept| kept == name)
    }
}
