//! Windows functions for jobs, consoles and threads that neither the standard library nor tokio
//! offers.
#![allow(unsafe_code)]

use std::io;
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::null;

use tokio::process::Child;
use windows_sys::Win32::Foundation::{HANDLE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, GenerateConsoleCtrlEvent, GetConsoleCP};
use windows_sys::Win32::System::Diagnostics::ToolHelp::{
    CreateToolhelp32Snapshot, TH32CS_SNAPTHREAD, THREADENTRY32, Thread32First, Thread32Next,
};
use windows_sys::Win32::System::JobObjects::{
    AssignProcessToJobObject, CreateJobObjectW, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION, JobObjectExtendedLimitInformation, SetInformationJobObject,
    TerminateJobObject,
};
use windows_sys::Win32::System::Threading::{OpenThread, ResumeThread, THREAD_SUSPEND_RESUME};

/// Job whose processes are killed when this value is dropped or its owner exits.
pub(super) struct Job(OwnedHandle);

impl Job {
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: attributes and name may be null: the handle is then not inherited and cannot be
        // opened by name.
        let job = Self(owned(unsafe { CreateJobObjectW(null(), null()) })?);
        job.reclaim()?;
        Ok(job)
    }

    /// Adds a suspended process to the job and resumes it.
    pub(super) fn run(&self, child: &Child) -> io::Result<()> {
        let (Some(handle), Some(pid)) = (child.raw_handle(), child.id()) else {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        };
        // SAFETY: both handles are open while they are borrowed.
        check(unsafe { AssignProcessToJobObject(self.0.as_raw_handle(), handle) })?;
        resume(pid)
    }

    pub(super) fn terminate(&self, code: u32) -> io::Result<()> {
        // SAFETY: the handle is open while it is borrowed.
        check(unsafe { TerminateJobObject(self.0.as_raw_handle(), code) })
    }

    /// Detaches the processes, so that they outlive this value.
    pub(super) fn release(&self) -> io::Result<()> {
        self.limit(0)
    }

    /// Binds the processes to this value again, so that they end with it.
    pub(super) fn reclaim(&self) -> io::Result<()> {
        self.limit(JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE)
    }

    fn limit(&self, flags: u32) -> io::Result<()> {
        let mut limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION::default();
        limits.BasicLimitInformation.LimitFlags = flags;
        // SAFETY: the handle is open while it is borrowed; pointer and size match the class of
        // information.
        check(unsafe {
            SetInformationJobObject(
                self.0.as_raw_handle(),
                JobObjectExtendedLimitInformation,
                (&raw const limits).cast(),
                size_of_val(&limits) as u32,
            )
        })
    }
}

/// Returns `true` if this process has a console, with or without a window.
pub(super) fn has_console() -> bool {
    // SAFETY: no arguments; returns a number.
    unsafe { GetConsoleCP() != 0 }
}

/// Sends Ctrl-Break to a process group of this console.
pub(super) fn send_ctrl_break(group: u32) -> io::Result<()> {
    // SAFETY: takes numbers.
    check(unsafe { GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, group) })
}

/// Resumes the threads of a suspended process. The caller holds its handle, so the process id is
/// valid.
fn resume(pid: u32) -> io::Result<()> {
    // SAFETY: takes numbers and returns a handle or an invalid one.
    let threads = owned(unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPTHREAD, 0) })?;
    let mut entry = THREADENTRY32 { dwSize: size_of::<THREADENTRY32>() as u32, ..THREADENTRY32::default() };
    // SAFETY: the handle is open while it is borrowed, and the entry is valid and holds its size.
    let mut found = check(unsafe { Thread32First(threads.as_raw_handle(), &raw mut entry) });
    let mut resumed = Err(io::Error::from(io::ErrorKind::NotFound));
    while found.is_ok() {
        if entry.th32OwnerProcessID == pid {
            // SAFETY: takes numbers and returns a handle or null.
            let thread = owned(unsafe { OpenThread(THREAD_SUSPEND_RESUME, 0, entry.th32ThreadID) })?;
            // SAFETY: the handle is open while it is borrowed.
            if unsafe { ResumeThread(thread.as_raw_handle()) } == u32::MAX {
                return Err(io::Error::last_os_error());
            }
            resumed = Ok(());
        }
        // SAFETY: as above.
        found = check(unsafe { Thread32Next(threads.as_raw_handle(), &raw mut entry) });
    }
    resumed
}

/// Takes ownership of a handle that a call has returned.
fn owned(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the handle was just opened and has no other owner.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

fn check(success: i32) -> io::Result<()> {
    if success == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
