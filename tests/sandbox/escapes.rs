//! Attempts of a worker to leave its sandbox. Each is harmless if it succeeds.
#![allow(unsafe_code)] // The attempts are system calls that no safe interface offers.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use isolated_workers::sandbox::Protection;
use serde::{Deserialize, Serialize};

/// Targets of the attempts, in the host and on its disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Scene {
    pub(crate) host: u32,
    /// Folder that the worker may not use. It holds the file `secret` and the socket `socket`.
    pub(crate) outside: PathBuf,
    /// Folder that the worker may read.
    pub(crate) readable: PathBuf,
    /// Folder that the worker may write. It holds a copy of a library.
    pub(crate) writable: PathBuf,
    pub(crate) tcp_port: u16,
    pub(crate) udp_port: u16,
    pub(crate) abstract_name: String,
}

impl Scene {
    fn secret(&self) -> PathBuf {
        self.outside.join("secret")
    }
}

/// An attempt.
pub(crate) struct Escape {
    pub(crate) name: &'static str,
    /// Protection that must refuse it.
    pub(crate) protection: Protection,
    /// Fails with the error of the system if it was refused.
    pub(crate) run: fn(&Scene) -> io::Result<()>,
    /// `true` if the attempt succeeds in a worker without a sandbox that runs as root.
    pub(crate) works_unconfined: bool,
}

macro_rules! works_unconfined {
    () => {
        true
    };
    (unknown) => {
        false
    };
}

macro_rules! escapes {
    ($($protection:ident: $name:literal, $run:expr $(, $often:ident)?;)*) => {
        /// All attempts, in the order of the table in docs/guides/security.md.
        pub(crate) const ALL: &[Escape] = &[$(Escape {
            name: $name,
            protection: Protection::$protection,
            run: $run,
            works_unconfined: works_unconfined!($($often)?),
        }),*];
    };
}

// `unknown`: the outcome without a sandbox depends on the machine.
escapes! {
    FileRead: "read a file of the host", |scene| fs::read(scene.secret()).map(drop);
    FileRead: "read /etc/shadow", |_| fs::read("/etc/shadow").map(drop);
    FileRead: "list a folder of the host", |scene| fs::read_dir(&scene.outside).map(drop);
    FileRead: "read a file by `..` from an allowed folder", |scene| {
        fs::read(scene.readable.join("../outside/secret")).map(drop)
    };
    FileRead: "read a file by a symbolic link in a writable folder", |scene| {
        let link = scene.writable.join("link");
        let _ = fs::remove_file(&link);
        std::os::unix::fs::symlink(scene.secret(), &link)?;
        fs::read(link).map(drop)
    };
    FileRead: "read a file by /proc/self/root", |scene| {
        fs::read(format!("/proc/self/root{}", scene.secret().display())).map(drop)
    };
    FileRead: "read the environment of the host in /proc", |scene| {
        fs::read(format!("/proc/{}/environ", scene.host)).map(drop)
    };
    FileRead: "read the memory of the host in /proc", |scene| {
        File::open(format!("/proc/{}/mem", scene.host)).map(drop)
    };
    FileRead: "watch a folder of the host by inotify", |scene| {
        let watcher = system_call(libc::SYS_inotify_init1, &[0])?;
        let path = c_path(&scene.outside);
        system_call(libc::SYS_inotify_add_watch, &[watcher, path.as_ptr() as i64, 2]).map(drop)
    };
    FileRead: "read a file by a folder that the host left open", |_| read_below_any_folder("secret");
    FileWrite: "hard-link a file of the host into a writable folder", |scene| {
        fs::hard_link(scene.secret(), scene.writable.join("hard"))
    };
    FileWrite: "move a file into a folder of the host", |scene| {
        let own = scene.writable.join("own");
        fs::write(&own, "own")?;
        fs::rename(own, scene.outside.join("moved"))
    };
    FileWrite: "create a file in a folder of the host", |scene| {
        fs::write(scene.outside.join("created"), "text")
    };
    FileWrite: "append to a file of the host", |scene| {
        OpenOptions::new().append(true).open(scene.secret()).map(drop)
    };
    FileWrite: "truncate a file of the host", |scene| {
        let path = c_path(&scene.outside.join("victim"));
        system_call(libc::SYS_truncate, &[path.as_ptr() as i64, 0]).map(drop)
    };
    FileWrite: "remove a file of the host", |scene| fs::remove_file(scene.outside.join("victim"));
    FileWrite: "write to a readable folder", |scene| fs::write(scene.readable.join("new"), "text");
    FileWrite: "change the permissions of a file of the host", |scene| {
        let path = c_path(&scene.secret());
        system_call(libc::SYS_fchmodat, &[AT_FDCWD, path.as_ptr() as i64, 0o777]).map(drop)
    };
    FileWrite: "change the owner of a file of the host", |scene| {
        let path = c_path(&scene.secret());
        system_call(libc::SYS_fchownat, &[AT_FDCWD, path.as_ptr() as i64, 0, 0, 0]).map(drop)
    };
    FileWrite: "change the times of a file of the host", |scene| {
        let path = c_path(&scene.secret());
        system_call(libc::SYS_utimensat, &[AT_FDCWD, path.as_ptr() as i64, 0, 0]).map(drop)
    };
    FileWrite: "set an attribute of a file of the host", |scene| {
        let (path, name, value) = (c_path(&scene.secret()), CString::new("user.x").unwrap(), [1u8]);
        let arguments = [path.as_ptr() as i64, name.as_ptr() as i64, value.as_ptr() as i64, 1, 0];
        system_call(libc::SYS_setxattr, &arguments).map(drop)
    }, unknown;
    FileWrite: "make a device in a writable folder", |scene| {
        let path = c_path(&scene.writable.join("device"));
        let mode = i64::from(libc::S_IFCHR | 0o666);
        system_call(libc::SYS_mknodat, &[AT_FDCWD, path.as_ptr() as i64, mode, 0x103]).map(drop)
    };
    FileWrite: "write to its own memory by /proc", |_| {
        OpenOptions::new().write(true).open("/proc/self/mem").map(drop)
    };
    FileWrite: "change a setting of the kernel in /proc/sys", |_| {
        OpenOptions::new().write(true).open("/proc/sys/kernel/core_pattern").map(drop)
    }, unknown;
    Execute: "execute another program", |_| execute("/bin/true");
    Execute: "execute a program with the set-user-ID bit", |_| execute("/usr/bin/passwd");
    Execute: "execute a file that it has written", |scene| {
        let path = scene.writable.join("program");
        let _ = fs::remove_file(&path);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o755).open(&path)?;
        file.write_all(b"#!/bin/sh\n")?;
        drop(file);
        execute(path.to_str().unwrap())
    };
    NewCode: "load a library from a writable folder", |scene| load(&scene.writable.join("library.so"));
    NewCode: "map memory that is writable and executable", |_| map(PROT_WRITE | PROT_EXEC).map(drop);
    NewCode: "make its data executable", |_| {
        let page = map(PROT_WRITE)?;
        system_call(libc::SYS_mprotect, &[page, 4096, PROT_EXEC]).map(drop)
    };
    NewCode: "make all readable memory executable by `personality`", |_| {
        system_call(libc::SYS_personality, &[0x0040_0000]).map(drop)
    };
    Tcp: "connect to the host by TCP", |scene| TcpStream::connect(("127.0.0.1", scene.tcp_port)).map(drop);
    Tcp: "listen on a TCP port", |_| TcpListener::bind("127.0.0.1:0").map(drop);
    Udp: "send to the host by UDP", |scene| {
        UdpSocket::bind("127.0.0.1:0")?.send_to(b"x", ("127.0.0.1", scene.udp_port)).map(drop)
    };
    Udp: "open a packet socket", |_| socket(libc::AF_PACKET, libc::SOCK_RAW), unknown;
    Udp: "open a netlink socket", |_| socket(libc::AF_NETLINK, libc::SOCK_RAW);
    Udp: "open a socket to the hypervisor", |_| socket(libc::AF_VSOCK, libc::SOCK_STREAM), unknown;
    AbstractSockets: "connect to an abstract socket of the host", |scene| {
        UnixStream::connect_addr(&SocketAddr::from_abstract_name(&scene.abstract_name)?).map(drop)
    };
    PathSockets: "connect to a socket file of the host", |scene| {
        UnixStream::connect(scene.outside.join("socket")).map(drop)
    };
    PathSockets: "bind a socket file in a writable folder", |scene| {
        let path = scene.writable.join("socket");
        let _ = fs::remove_file(&path);
        UnixListener::bind(path).map(drop)
    };
    PathSockets: "send to a socket file from a pair of datagram sockets", |_| UnixDatagram::pair().map(drop);
    PathSockets: "connect the socket that it got for reconnects", |scene| connect_any(&scene.outside.join("socket"));
    Signals: "signal the host", |scene| kill(scene.host.cast_signed(), 0);
    Signals: "stop the host", |scene| kill(scene.host.cast_signed(), libc::SIGCONT);
    Signals: "signal every process", |_| kill(-1, 0);
    Signals: "signal the host by a pidfd", |scene| {
        let pidfd = system_call(libc::SYS_pidfd_open, &[scene.host.into(), 0])?;
        system_call(libc::SYS_pidfd_send_signal, &[pidfd, 0, 0, 0]).map(drop)
    };
    Signals: "queue a signal to a thread of the host", |scene| {
        let info = [0u8; 128];
        let host = i64::from(scene.host);
        system_call(libc::SYS_rt_tgsigqueueinfo, &[host, host, 0, info.as_ptr() as i64]).map(drop)
    }, unknown;
    Signals: "have the kernel signal the host by `F_SETOWN`", |scene| {
        let file = File::open("/dev/null")?;
        let fd = std::os::fd::AsRawFd::as_raw_fd(&file);
        system_call(libc::SYS_fcntl, &[fd.into(), libc::F_SETOWN.into(), scene.host.into()]).map(drop)
    };
    Signals: "lower a limit of the host", |scene| {
        // The current limit, so that nothing changes.
        let mut limit = [0u64; 2];
        let at = limit.as_mut_ptr() as i64;
        system_call(libc::SYS_prlimit64, &[scene.host.into(), libc::RLIMIT_CORE.into(), 0, at])?;
        system_call(libc::SYS_prlimit64, &[scene.host.into(), libc::RLIMIT_CORE.into(), at, 0]).map(drop)
    };
    Signals: "lower the priority of the host", |scene| {
        system_call(libc::SYS_setpriority, &[0, scene.host.into(), 0]).map(drop)
    };
    Signals: "type into the terminal of the host", |_| {
        let letter = b'x';
        system_call(libc::SYS_ioctl, &[2, 0x5412, &raw const letter as i64]).map(drop)
    }, unknown;
    Ptrace: "trace the host", |scene| {
        const SEIZE: i64 = 0x4206;
        system_call(libc::SYS_ptrace, &[SEIZE, scene.host.into(), 0, 0])?;
        const DETACH: i64 = 17;
        let _ = system_call(libc::SYS_ptrace, &[DETACH, scene.host.into(), 0, 0]);
        Ok(())
    };
    Ptrace: "read the memory of the host", |scene| {
        system_call(libc::SYS_process_vm_readv, &[scene.host.into(), 0, 0, 0, 0, 0]).map(drop)
    };
    Ptrace: "write the memory of the host", |scene| {
        system_call(libc::SYS_process_vm_writev, &[scene.host.into(), 0, 0, 0, 0, 0]).map(drop)
    };
    Ptrace: "take a descriptor of the host", |scene| {
        let pidfd = system_call(libc::SYS_pidfd_open, &[scene.host.into(), 0])?;
        system_call(libc::SYS_pidfd_getfd, &[pidfd, 0, 0]).map(drop)
    };
    Processes: "fork", |_| {
        // The flags of `fork`: a signal at the end of the child.
        match system_call(libc::SYS_clone, &[libc::SIGCHLD.into(), 0, 0, 0, 0])? {
            // SAFETY: takes a number and does not return.
            0 => unsafe { libc::_exit(0) },
            child => system_call(libc::SYS_wait4, &[child, 0, 0, 0]).map(drop),
        }
    };
    Processes: "start a process by `clone3`", |_| {
        let arguments = [0u64, 0, 0, 0, libc::SIGCHLD as u64, 0, 0, 0];
        match system_call(libc::SYS_clone3, &[arguments.as_ptr() as i64, 64])? {
            // SAFETY: takes a number and does not return.
            0 => unsafe { libc::_exit(0) },
            child => system_call(libc::SYS_wait4, &[child, 0, 0, 0]).map(drop),
        }
    };
    Processes: "start a shell", |_| Command::new("/bin/sh").args(["-c", ":"]).status().map(drop);
    Namespaces: "make a user namespace", |_| {
        // No flag: allowed to everybody, and without effect.
        system_call(libc::SYS_unshare, &[0]).map(drop)
    };
    Namespaces: "enter the namespaces of the host", |scene| {
        let pidfd = system_call(libc::SYS_pidfd_open, &[scene.host.into(), 0])?;
        system_call(libc::SYS_setns, &[pidfd, 0x0400_0000]).map(drop)
    };
    Namespaces: "mount a file system", |_| {
        // A propagation flag on a folder that is no mount: EINVAL for root.
        let path = CString::new("/nonexistent").unwrap();
        system_call(libc::SYS_mount, &[0, path.as_ptr() as i64, 0, 0, 0]).map(drop)
    }, unknown;
    Namespaces: "change its root", |scene| {
        let path = c_path(&scene.writable.join("missing"));
        system_call(libc::SYS_chroot, &[path.as_ptr() as i64]).map(drop)
    }, unknown;
    Capabilities: "become root", |_| system_call(libc::SYS_setresuid, &[0, 0, 0]).map(drop);
    Capabilities: "take its capabilities back", |_| {
        let header = [0x2008_0522_u32, 0];
        let mut sets = [0u32; 6];
        system_call(libc::SYS_capget, &[header.as_ptr() as i64, sets.as_mut_ptr() as i64])?;
        system_call(libc::SYS_capset, &[header.as_ptr() as i64, sets.as_ptr() as i64]).map(drop)
    };
    KernelSurface: "set up io_uring", |_| kernel(libc::SYS_io_uring_setup, &[1, 0]), unknown;
    KernelSurface: "load a BPF program", |_| kernel(libc::SYS_bpf, &[5, 0, 0]), unknown;
    KernelSurface: "open a performance counter", |_| kernel(libc::SYS_perf_event_open, &[0, 0, -1, -1, 0]), unknown;
    KernelSurface: "handle page faults (userfaultfd)", |_| kernel(libc::SYS_userfaultfd, &[0]), unknown;
    KernelSurface: "use a keyring", |_| kernel(libc::SYS_keyctl, &[0, -4, 0]), unknown;
    KernelSurface: "load a kernel module", |_| kernel(libc::SYS_init_module, &[0, 0, 0]), unknown;
    KernelSurface: "load another kernel", |_| kernel(libc::SYS_kexec_load, &[0, 99, 0, 0]), unknown;
    KernelSurface: "restart the machine, with a wrong key", |_| kernel(libc::SYS_reboot, &[0, 0, 0]), unknown;
    KernelSurface: "swap to a file", |_| kernel(libc::SYS_swapon, &[0, 0]), unknown;
    KernelSurface: "set the clock", |_| kernel(libc::SYS_clock_settime, &[99, 0]), unknown;
    KernelSurface: "adjust the clock", |_| {
        // Mode 0 only reads it.
        let timex = [0u8; 512];
        kernel(libc::SYS_clock_adjtime, &[0, timex.as_ptr() as i64])
    };
    KernelSurface: "share System V memory", |_| kernel(libc::SYS_shmget, &[0, 4096, 0o1600]);
    KernelSurface: "send a System V message", |_| kernel(libc::SYS_msgget, &[0, 0o1600]), unknown;
    KernelSurface: "open a file by its handle", |_| kernel(libc::SYS_open_by_handle_at, &[-1, 0, 0]), unknown;
    KernelSurface: "read the kernel's log", |_| kernel(libc::SYS_syslog, &[10, 0, 0]), unknown;
    KernelSurface: "make a system call that is newer than the library", |_| kernel(1_000, &[]), unknown;
    Memory: "make a file in memory", |_| {
        let name = CString::new("x").unwrap();
        system_call(libc::SYS_memfd_create, &[name.as_ptr() as i64, 0]).map(drop)
    };
    OpenFiles: "open 10,000 files", |_| {
        let mut files = Vec::new();
        for _ in 0..10_000 {
            files.push(File::open("/dev/null")?);
        }
        Ok(())
    }, unknown;
    CoreDumps: "allow core dumps again", |_| {
        const PR_SET_DUMPABLE: i64 = 4;
        system_call(libc::SYS_prctl, &[PR_SET_DUMPABLE, 1, 0, 0, 0]).map(drop)
    };
    Environment: "read a variable of the host", |_| match std::env::var("SANDBOX_TEST_SECRET") {
        Ok(_) => Ok(()),
        Err(_) => Err(io::ErrorKind::NotFound.into()),
    };
}

const AT_FDCWD: i64 = -100;
const PROT_WRITE: i64 = 3;
const PROT_EXEC: i64 = 5;

fn system_call(number: i64, arguments: &[i64]) -> io::Result<i64> {
    let mut six = [0i64; 6];
    six[..arguments.len()].copy_from_slice(arguments);
    let [a, b, c, d, e, f] = six;
    // SAFETY: each attempt passes addresses that are valid for its call, or that the kernel rejects.
    match unsafe { libc::syscall(number, a, b, c, d, e, f) } {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    }
}

fn kernel(number: i64, arguments: &[i64]) -> io::Result<()> {
    system_call(number, arguments).map(drop)
}

fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

fn socket(family: i32, kind: i32) -> io::Result<()> {
    system_call(libc::SYS_socket, &[family.into(), kind.into(), 0]).map(drop)
}

fn kill(pid: i32, signal: i32) -> io::Result<()> {
    system_call(libc::SYS_kill, &[pid.into(), signal.into()]).map(drop)
}

/// Maps a page. `protection`: readable, and these.
fn map(protection: i64) -> io::Result<i64> {
    let flags = i64::from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    system_call(libc::SYS_mmap, &[0, 4096, protection, flags, -1, 0])
}

/// Checks if the system would execute a program (`AT_EXECVE_CHECK` needs Linux 6.14): executes it in
/// place of a thread's process would end the worker, so invalid arguments stop it at the end.
fn execute(path: &str) -> io::Result<()> {
    let path = CString::new(path).unwrap();
    const AT_EXECVE_CHECK: i64 = 0x1_0000;
    let empty = [0usize; 1];
    let at = empty.as_ptr() as i64;
    system_call(libc::SYS_execveat, &[AT_FDCWD, path.as_ptr() as i64, at, at, AT_EXECVE_CHECK]).map(drop)
}

fn load(path: &Path) -> io::Result<()> {
    // SAFETY: the library is a copy of one of the C library, whose constructors may run at any time.
    let library = unsafe { libc::dlopen(c_path(path).as_ptr(), libc::RTLD_NOW) };
    if !library.is_null() {
        return Ok(());
    }
    // SAFETY: returns a text after a failure, on the same thread.
    let cause = unsafe { std::ffi::CStr::from_ptr(libc::dlerror()) }.to_string_lossy().into_owned();
    // The loader does not keep the error of the system.
    Err(match cause.contains("failed to map") || cause.contains("not permitted") {
        true => io::Error::from_raw_os_error(libc::EPERM),
        false => io::Error::other(cause),
    })
}

/// Connects any inherited socket that is not connected to the file.
fn connect_any(path: &Path) -> io::Result<()> {
    let mut address = [0u8; 110];
    address[0] = 1;
    let bytes = path.as_os_str().as_bytes();
    address[2..2 + bytes.len()].copy_from_slice(bytes);
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for number in 3..64 {
        match system_call(libc::SYS_connect, &[number, address.as_ptr() as i64, 110]) {
            Ok(_) => return Ok(()),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EPERM | libc::EACCES)) => last = error,
            Err(_) => {}
        }
    }
    Err(last)
}

/// Opens a file below a folder that the worker has inherited, whatever its number is.
fn read_below_any_folder(name: &str) -> io::Result<()> {
    let name = CString::new(name).unwrap();
    let mut last = io::Error::from_raw_os_error(libc::EBADF);
    for number in 3..64 {
        match system_call(libc::SYS_openat, &[number, name.as_ptr() as i64, 0]) {
            Ok(_) => return Ok(()),
            Err(error) if error.raw_os_error() == Some(libc::EACCES) => last = error,
            Err(_) => {}
        }
    }
    Err(last)
}

/// Reads a file that the worker may read, so that a refusal is not that of everything.
pub(crate) fn read_allowed(scene: &Scene) -> io::Result<String> {
    let mut text = String::new();
    File::open(scene.readable.join("allowed"))?.read_to_string(&mut text)?;
    Ok(text)
}
