//! Systems that lack something, simulated for this process, which then executes its program again.
#![allow(unsafe_code)] // Filters, namespaces and users have no safe interface.

use std::ffi::{CString, c_char};
use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Takes something from this process, and executes the program with the arguments. Prints `skipped`
/// and ends if this process may not do that.
pub(crate) fn execute(lack: &str, arguments: &[String]) -> io::Error {
    let taken = match lack {
        "landlock" => refuse(&[444, 445, 446], libc::ENOSYS),
        // Landlock and its limits stay, and the filter fails.
        "seccomp" => refuse(&[libc::SYS_seccomp, libc::SYS_prctl], libc::EINVAL),
        "limits" => lower_limits(),
        "proc" => hide_proc(),
        "root" => become_nobody(),
        "user-namespace" => become_nobody().and_then(|()| enter_user_namespace()),
        other => panic!("unknown lack {other}"),
    };
    if let Err(error) = taken {
        println!("skipped: {lack}: {error}");
        std::process::exit(0);
    }
    Command::new("/proc/self/exe").args(arguments).exec()
}

/// Makes these system calls fail, by a filter that the process and its children keep.
fn refuse(numbers: &[i64], errno: i32) -> io::Result<()> {
    let statement = |code, k| libc::sock_filter { code, jt: 0, jf: 0, k };
    let mut filter = vec![statement(0x20, 0)];
    for &number in numbers {
        filter.push(libc::sock_filter { code: 0x15, jt: 0, jf: 1, k: number as u32 });
        filter.push(statement(0x06, 0x0005_0000 | errno as u32));
    }
    filter.push(statement(0x06, 0x7fff_0000));
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the filter lives until both calls have returned.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
    check(unsafe { libc::prctl(libc::PR_SET_SECCOMP, 2, &raw const program) })
}

/// Covers `/proc` after this process has executed its program again, so the path is opened first.
fn hide_proc() -> io::Result<()> {
    // SAFETY: takes a number.
    check(unsafe { libc::unshare(libc::CLONE_NEWNS) })?;
    mount("none", "/", "", libc::MS_REC | libc::MS_PRIVATE)?;
    let program = std::env::current_exe()?;
    mount("none", "/proc", "tmpfs", 0)?;
    let arguments: Vec<_> = std::env::args().skip(3).collect();
    Err(Command::new(program).args(arguments).exec())
}

/// Takes core dumps and all but 100 descriptors from this process and its children.
fn lower_limits() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};

    for (resource, limit) in [(Resource::Core, 0), (Resource::Nofile, 100)] {
        setrlimit(resource, Rlimit { current: Some(limit), maximum: Some(limit) })?;
    }
    become_nobody()
}

fn become_nobody() -> io::Result<()> {
    const NOBODY: u32 = 65534;
    // SAFETY: take numbers, and a list of length zero.
    unsafe {
        check(libc::setgroups(0, std::ptr::null()))?;
        check(libc::setgid(NOBODY))?;
        check(libc::setuid(NOBODY))?;
        // The change of the user gives the files of this process in `/proc` to root.
        check(libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0))
    }
}

fn enter_user_namespace() -> io::Result<()> {
    // SAFETY: takes a number.
    check(unsafe { libc::unshare(libc::CLONE_NEWUSER) })?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", "0 65534 1")?;
    fs::write("/proc/self/gid_map", "0 65534 1")
}

fn mount(from: &str, to: &str, kind: &str, flags: libc::c_ulong) -> io::Result<()> {
    let [from, to, kind] = [from, to, kind].map(|text| CString::new(text).unwrap());
    let address = |text: &CString| -> *const c_char { text.as_ptr() };
    // SAFETY: the texts live until the call has returned.
    check(unsafe { libc::mount(address(&from), address(&to), address(&kind), flags, std::ptr::null()) })
}

fn check(result: i32) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
