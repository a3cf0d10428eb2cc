//! Lists of system calls, for x86-64 and 64-bit Arm.

/// A system call: its name and its number.
pub(super) type Call = (&'static str, i64);

macro_rules! calls {
    ($($name:ident => $($number:ident)::+),* $(,)?) => { &[$((stringify!($name), $($number)::+)),*] };
}

/// Numbers that the crate `libc` lacks for some processors. They are the same for all.
#[allow(non_upper_case_globals, reason = "named as in the crate `libc`")]
mod newer {
    pub(super) const SYS_cachestat: i64 = 451;
    pub(super) const SYS_fchmodat2: i64 = 452;
    pub(super) const SYS_map_shadow_stack: i64 = 453;
    pub(super) const SYS_futex_wake: i64 = 454;
    pub(super) const SYS_futex_wait: i64 = 455;
    pub(super) const SYS_futex_requeue: i64 = 456;
    pub(super) const SYS_mseal: i64 = 462;
    pub(super) const SYS_setxattrat: i64 = 463;
    pub(super) const SYS_removexattrat: i64 = 466;
    pub(super) const SYS_open_tree_attr: i64 = 467;
    pub(super) const SYS_file_setattr: i64 = 469;
}

/// Highest number that these lists know: that of `file_setattr` in Linux 6.17. Calls with a higher
/// number are newer than this library.
pub(super) const MAX_NUMBER: u32 = 469;

/// Architecture in `linux/audit.h`.
#[cfg(target_arch = "x86_64")]
pub(super) const ARCHITECTURE: Option<u32> = Some(0xc000_003e);
#[cfg(target_arch = "aarch64")]
pub(super) const ARCHITECTURE: Option<u32> = Some(0xc000_00b7);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) const ARCHITECTURE: Option<u32> = None;

/// Calls of ordinary programs, which act only on what the program already has, or on paths that
/// Landlock checks.
pub(super) const ORDINARY: &[Call] = calls![
    read => libc::SYS_read, write => libc::SYS_write, pread64 => libc::SYS_pread64, pwrite64 => libc::SYS_pwrite64, readv =>
    libc::SYS_readv, writev => libc::SYS_writev, preadv => libc::SYS_preadv, pwritev => libc::SYS_pwritev, preadv2 => libc::SYS_preadv2,
    pwritev2 => libc::SYS_pwritev2, openat => libc::SYS_openat, openat2 => libc::SYS_openat2, close => libc::SYS_close, close_range
    => libc::SYS_close_range, fstat => libc::SYS_fstat, newfstatat => libc::SYS_newfstatat, statx => libc::SYS_statx, lseek =>
    libc::SYS_lseek, munmap => libc::SYS_munmap, brk => libc::SYS_brk, mremap => libc::SYS_mremap, madvise => libc::SYS_madvise, mincore
    => libc::SYS_mincore, msync => libc::SYS_msync, mlock => libc::SYS_mlock, mlock2 => libc::SYS_mlock2, munlock => libc::SYS_munlock,
    mlockall => libc::SYS_mlockall, munlockall => libc::SYS_munlockall, membarrier => libc::SYS_membarrier, rt_sigprocmask =>
    libc::SYS_rt_sigprocmask, rt_sigreturn => libc::SYS_rt_sigreturn, rt_sigpending => libc::SYS_rt_sigpending,
    rt_sigtimedwait => libc::SYS_rt_sigtimedwait, rt_sigsuspend => libc::SYS_rt_sigsuspend, sigaltstack =>
    libc::SYS_sigaltstack, dup => libc::SYS_dup, dup3 => libc::SYS_dup3, pipe2 => libc::SYS_pipe2, ppoll => libc::SYS_ppoll, pselect6 =>
    libc::SYS_pselect6, epoll_create1 => libc::SYS_epoll_create1, epoll_ctl => libc::SYS_epoll_ctl, epoll_pwait =>
    libc::SYS_epoll_pwait, epoll_pwait2 => libc::SYS_epoll_pwait2, eventfd2 => libc::SYS_eventfd2, signalfd4 => libc::SYS_signalfd4,
    timerfd_create => libc::SYS_timerfd_create, timerfd_settime => libc::SYS_timerfd_settime, timerfd_gettime =>
    libc::SYS_timerfd_gettime, timer_create => libc::SYS_timer_create, timer_settime => libc::SYS_timer_settime, timer_gettime
    => libc::SYS_timer_gettime, timer_getoverrun => libc::SYS_timer_getoverrun, timer_delete => libc::SYS_timer_delete,
    clock_gettime => libc::SYS_clock_gettime, clock_getres => libc::SYS_clock_getres, clock_nanosleep =>
    libc::SYS_clock_nanosleep, nanosleep => libc::SYS_nanosleep, gettimeofday => libc::SYS_gettimeofday, times => libc::SYS_times,
    getrusage => libc::SYS_getrusage, getitimer => libc::SYS_getitimer, setitimer => libc::SYS_setitimer, sysinfo =>
    libc::SYS_sysinfo, uname => libc::SYS_uname, getpid => libc::SYS_getpid, getppid => libc::SYS_getppid, gettid => libc::SYS_gettid,
    getuid => libc::SYS_getuid, geteuid => libc::SYS_geteuid, getgid => libc::SYS_getgid, getegid => libc::SYS_getegid, getresuid =>
    libc::SYS_getresuid, getresgid => libc::SYS_getresgid, getpgid => libc::SYS_getpgid, getsid => libc::SYS_getsid, getgroups =>
    libc::SYS_getgroups, getpriority => libc::SYS_getpriority, capget => libc::SYS_capget, sched_yield => libc::SYS_sched_yield,
    sched_getaffinity => libc::SYS_sched_getaffinity, sched_getparam => libc::SYS_sched_getparam, sched_getscheduler =>
    libc::SYS_sched_getscheduler, sched_get_priority_max => libc::SYS_sched_get_priority_max, sched_get_priority_min =>
    libc::SYS_sched_get_priority_min, sched_rr_get_interval => libc::SYS_sched_rr_get_interval, sched_getattr =>
    libc::SYS_sched_getattr, getcpu => libc::SYS_getcpu, futex => libc::SYS_futex, futex_waitv => libc::SYS_futex_waitv, futex_wake
    => newer::SYS_futex_wake, futex_wait => newer::SYS_futex_wait, futex_requeue => newer::SYS_futex_requeue, set_robust_list =>
    libc::SYS_set_robust_list, set_tid_address => libc::SYS_set_tid_address, rseq => libc::SYS_rseq, restart_syscall =>
    libc::SYS_restart_syscall, exit => libc::SYS_exit, exit_group => libc::SYS_exit_group, getrandom => libc::SYS_getrandom, getcwd
    => libc::SYS_getcwd, chdir => libc::SYS_chdir, fchdir => libc::SYS_fchdir, umask => libc::SYS_umask, faccessat => libc::SYS_faccessat,
    faccessat2 => libc::SYS_faccessat2, readlinkat => libc::SYS_readlinkat, getdents64 => libc::SYS_getdents64, statfs =>
    libc::SYS_statfs, fstatfs => libc::SYS_fstatfs, mkdirat => libc::SYS_mkdirat, unlinkat => libc::SYS_unlinkat, renameat =>
    libc::SYS_renameat, renameat2 => libc::SYS_renameat2, linkat => libc::SYS_linkat, symlinkat => libc::SYS_symlinkat, truncate =>
    libc::SYS_truncate, ftruncate => libc::SYS_ftruncate, fallocate => libc::SYS_fallocate, fadvise64 => libc::SYS_fadvise64,
    readahead => libc::SYS_readahead, sync => libc::SYS_sync, fsync => libc::SYS_fsync, fdatasync => libc::SYS_fdatasync, syncfs =>
    libc::SYS_syncfs, sync_file_range => libc::SYS_sync_file_range, sendfile => libc::SYS_sendfile, splice => libc::SYS_splice, tee
    => libc::SYS_tee, copy_file_range => libc::SYS_copy_file_range, flock => libc::SYS_flock, fgetxattr => libc::SYS_fgetxattr, flistxattr => libc::SYS_flistxattr, recvfrom => libc::SYS_recvfrom, recvmsg => libc::SYS_recvmsg, recvmmsg
    => libc::SYS_recvmmsg, sendto => libc::SYS_sendto, sendmsg => libc::SYS_sendmsg, sendmmsg => libc::SYS_sendmmsg, accept =>
    libc::SYS_accept, accept4 => libc::SYS_accept4, shutdown => libc::SYS_shutdown, getsockname => libc::SYS_getsockname,
    getpeername => libc::SYS_getpeername, getsockopt => libc::SYS_getsockopt, setsockopt => libc::SYS_setsockopt, wait4 =>
    libc::SYS_wait4, waitid => libc::SYS_waitid, getrlimit => libc::SYS_getrlimit, setrlimit => libc::SYS_setrlimit, pkey_alloc =>
    libc::SYS_pkey_alloc, pkey_free => libc::SYS_pkey_free, seccomp => libc::SYS_seccomp, landlock_create_ruleset =>
    libc::SYS_landlock_create_ruleset, landlock_add_rule => libc::SYS_landlock_add_rule, landlock_restrict_self =>
    libc::SYS_landlock_restrict_self, mseal => newer::SYS_mseal, cachestat => newer::SYS_cachestat, setsid => libc::SYS_setsid,
    pidfd_open => libc::SYS_pidfd_open,
];

/// Older forms of ordinary calls, which 64-bit Arm does not have.
#[cfg(target_arch = "x86_64")]
pub(super) const ORDINARY_X86: &[Call] = calls![
    open => libc::SYS_open, stat => libc::SYS_stat, lstat => libc::SYS_lstat, poll => libc::SYS_poll, select => libc::SYS_select, access
    => libc::SYS_access, pipe => libc::SYS_pipe, dup2 => libc::SYS_dup2, alarm => libc::SYS_alarm, pause => libc::SYS_pause, getdents =>
    libc::SYS_getdents, rename => libc::SYS_rename, mkdir => libc::SYS_mkdir, rmdir => libc::SYS_rmdir, creat => libc::SYS_creat, link =>
    libc::SYS_link, unlink => libc::SYS_unlink, symlink => libc::SYS_symlink, readlink => libc::SYS_readlink, time => libc::SYS_time,
    epoll_create => libc::SYS_epoll_create, epoll_wait => libc::SYS_epoll_wait, eventfd => libc::SYS_eventfd, signalfd =>
    libc::SYS_signalfd, getpgrp => libc::SYS_getpgrp, arch_prctl => libc::SYS_arch_prctl, map_shadow_stack =>
    newer::SYS_map_shadow_stack,
];

/// Calls that change permissions, owners, times and attributes of files, which Landlock does not
/// check.
pub(super) const FILE_CHANGES: &[Call] = calls![
    fchmod => libc::SYS_fchmod, fchmodat => libc::SYS_fchmodat, fchmodat2 => newer::SYS_fchmodat2, fchown => libc::SYS_fchown,
    fchownat => libc::SYS_fchownat, setxattr => libc::SYS_setxattr, lsetxattr => libc::SYS_lsetxattr, fsetxattr =>
    libc::SYS_fsetxattr, removexattr => libc::SYS_removexattr, lremovexattr => libc::SYS_lremovexattr, fremovexattr =>
    libc::SYS_fremovexattr, utimensat => libc::SYS_utimensat, mknodat => libc::SYS_mknodat, setxattrat => newer::SYS_setxattrat,
    removexattrat => newer::SYS_removexattrat, file_setattr => newer::SYS_file_setattr,
];

/// Older forms of [`FILE_CHANGES`].
#[cfg(target_arch = "x86_64")]
pub(super) const FILE_CHANGES_X86: &[Call] = calls![
    chmod => libc::SYS_chmod, chown => libc::SYS_chown, lchown => libc::SYS_lchown, utime => libc::SYS_utime, utimes => libc::SYS_utimes,
    futimesat => libc::SYS_futimesat, mknod => libc::SYS_mknod,
];

/// Calls that tell what happens to files, which Landlock does not check.
pub(super) const FILE_WATCHES: &[Call] = calls![
    inotify_init1 => libc::SYS_inotify_init1, inotify_add_watch => libc::SYS_inotify_add_watch, inotify_rm_watch =>
    libc::SYS_inotify_rm_watch,
];

/// Older form of [`FILE_WATCHES`].
#[cfg(target_arch = "x86_64")]
pub(super) const FILE_WATCHES_X86: &[Call] = calls![
    inotify_init => libc::SYS_inotify_init,
];

/// Calls that replace the program of a process.
pub(super) const EXECUTE: &[Call] = calls![
    execve => libc::SYS_execve, execveat => libc::SYS_execveat,
];

/// Calls that connect or name sockets.
pub(super) const CONNECT: &[Call] = calls![
    connect => libc::SYS_connect, bind => libc::SYS_bind, listen => libc::SYS_listen,
];

/// Calls that start a process, and never a thread.
#[cfg(target_arch = "x86_64")]
pub(super) const FORK_X86: &[Call] = calls![
    fork => libc::SYS_fork, vfork => libc::SYS_vfork,
];

/// Calls that signal or change other processes, whatever their arguments are.
pub(super) const SIGNALS: &[Call] = calls![
    tkill => libc::SYS_tkill, pidfd_send_signal => libc::SYS_pidfd_send_signal, setpgid => libc::SYS_setpgid,
];

/// Calls that reach into other processes.
pub(super) const PTRACE: &[Call] = calls![
    ptrace => libc::SYS_ptrace, process_vm_readv => libc::SYS_process_vm_readv, process_vm_writev =>
    libc::SYS_process_vm_writev, pidfd_getfd => libc::SYS_pidfd_getfd, kcmp => libc::SYS_kcmp, process_madvise =>
    libc::SYS_process_madvise, process_mrelease => libc::SYS_process_mrelease, get_robust_list => libc::SYS_get_robust_list,
    migrate_pages => libc::SYS_migrate_pages, move_pages => libc::SYS_move_pages,
];

/// Calls that make namespaces, mounts and roots.
pub(super) const NAMESPACES: &[Call] = calls![
    unshare => libc::SYS_unshare, setns => libc::SYS_setns, mount => libc::SYS_mount, umount2 => libc::SYS_umount2, pivot_root =>
    libc::SYS_pivot_root, chroot => libc::SYS_chroot, open_tree => libc::SYS_open_tree, move_mount => libc::SYS_move_mount, fsopen
    => libc::SYS_fsopen, fsconfig => libc::SYS_fsconfig, fsmount => libc::SYS_fsmount, fspick => libc::SYS_fspick, mount_setattr =>
    libc::SYS_mount_setattr, open_tree_attr => newer::SYS_open_tree_attr,
];

/// Calls that change the user, the groups and the capabilities of a process.
pub(super) const CREDENTIALS: &[Call] = calls![
    setuid => libc::SYS_setuid, setgid => libc::SYS_setgid, setreuid => libc::SYS_setreuid, setregid => libc::SYS_setregid,
    setresuid => libc::SYS_setresuid, setresgid => libc::SYS_setresgid, setgroups => libc::SYS_setgroups, setfsuid =>
    libc::SYS_setfsuid, setfsgid => libc::SYS_setfsgid, capset => libc::SYS_capset,
];

/// Calls that make files in memory, which no limit of the address space counts.
pub(super) const MEMORY_FILES: &[Call] = calls![
    memfd_create => libc::SYS_memfd_create, memfd_secret => libc::SYS_memfd_secret,
];

/// Calls that ordinary programs do not need. All numbers that are on no list are treated as these
/// are; the list gives them names.
pub(super) const KERNEL_SURFACE: &[Call] = calls![
    io_uring_setup => libc::SYS_io_uring_setup, io_uring_enter => libc::SYS_io_uring_enter, io_uring_register =>
    libc::SYS_io_uring_register, bpf => libc::SYS_bpf, perf_event_open => libc::SYS_perf_event_open, userfaultfd =>
    libc::SYS_userfaultfd, add_key => libc::SYS_add_key, request_key => libc::SYS_request_key, keyctl => libc::SYS_keyctl,
    init_module => libc::SYS_init_module, finit_module => libc::SYS_finit_module, delete_module => libc::SYS_delete_module,
    kexec_load => libc::SYS_kexec_load, reboot => libc::SYS_reboot, swapon => libc::SYS_swapon, swapoff => libc::SYS_swapoff, acct
    => libc::SYS_acct, quotactl => libc::SYS_quotactl, quotactl_fd => libc::SYS_quotactl_fd, syslog => libc::SYS_syslog, sethostname
    => libc::SYS_sethostname, setdomainname => libc::SYS_setdomainname, settimeofday => libc::SYS_settimeofday, clock_settime
    => libc::SYS_clock_settime, clock_adjtime => libc::SYS_clock_adjtime, adjtimex => libc::SYS_adjtimex, open_by_handle_at =>
    libc::SYS_open_by_handle_at, name_to_handle_at => libc::SYS_name_to_handle_at, fanotify_init => libc::SYS_fanotify_init,
    fanotify_mark => libc::SYS_fanotify_mark, vhangup => libc::SYS_vhangup,
    vmsplice => libc::SYS_vmsplice, remap_file_pages => libc::SYS_remap_file_pages,
    io_setup => libc::SYS_io_setup, io_submit => libc::SYS_io_submit, io_getevents => libc::SYS_io_getevents, io_cancel =>
    libc::SYS_io_cancel, io_destroy => libc::SYS_io_destroy, msgget => libc::SYS_msgget,
    msgsnd => libc::SYS_msgsnd, msgrcv => libc::SYS_msgrcv, msgctl => libc::SYS_msgctl, semget => libc::SYS_semget, semop =>
    libc::SYS_semop, semctl => libc::SYS_semctl, semtimedop => libc::SYS_semtimedop, shmget => libc::SYS_shmget, shmat => libc::SYS_shmat,
    shmctl => libc::SYS_shmctl, shmdt => libc::SYS_shmdt, mq_open => libc::SYS_mq_open, mq_unlink => libc::SYS_mq_unlink,
    mq_timedsend => libc::SYS_mq_timedsend, mq_timedreceive => libc::SYS_mq_timedreceive, mq_notify => libc::SYS_mq_notify,
    mq_getsetattr => libc::SYS_mq_getsetattr, mbind => libc::SYS_mbind, set_mempolicy => libc::SYS_set_mempolicy,
    get_mempolicy => libc::SYS_get_mempolicy, set_mempolicy_home_node => libc::SYS_set_mempolicy_home_node, personality
    => libc::SYS_personality, rt_sigqueueinfo => libc::SYS_rt_sigqueueinfo, kexec_file_load => libc::SYS_kexec_file_load,
];

/// Kernel surface that only x86 has.
#[cfg(target_arch = "x86_64")]
pub(super) const KERNEL_SURFACE_X86: &[Call] = calls![
    modify_ldt => libc::SYS_modify_ldt, iopl => libc::SYS_iopl, ioperm => libc::SYS_ioperm, uselib => libc::SYS_uselib, ustat =>
    libc::SYS_ustat, sysfs => libc::SYS_sysfs,     ];

#[cfg(not(target_arch = "x86_64"))]
mod no_older_forms {
    use super::Call;

    pub(in crate::sandbox::linux) const ORDINARY_X86: &[Call] = &[];
    pub(in crate::sandbox::linux) const FILE_CHANGES_X86: &[Call] = &[];
    pub(in crate::sandbox::linux) const FILE_WATCHES_X86: &[Call] = &[];
    pub(in crate::sandbox::linux) const FORK_X86: &[Call] = &[];
    pub(in crate::sandbox::linux) const KERNEL_SURFACE_X86: &[Call] = &[];
}
#[cfg(not(target_arch = "x86_64"))]
pub(super) use no_older_forms::*;

/// Attributes of files by their path, which Landlock does not check.
pub(super) const FILE_ATTRIBUTES: &[Call] = calls![
    getxattr => libc::SYS_getxattr, lgetxattr => libc::SYS_lgetxattr, listxattr => libc::SYS_listxattr,
    llistxattr => libc::SYS_llistxattr,
];

/// Calls that are allowed or refused by their arguments.
pub(super) const BY_ARGUMENTS: &[Call] = calls![
    clone => libc::SYS_clone, clone3 => libc::SYS_clone3, kill => libc::SYS_kill, tgkill => libc::SYS_tgkill,
    rt_tgsigqueueinfo => libc::SYS_rt_tgsigqueueinfo, setpriority => libc::SYS_setpriority,
    sched_setaffinity => libc::SYS_sched_setaffinity, sched_setattr => libc::SYS_sched_setattr,
    sched_setparam => libc::SYS_sched_setparam, sched_setscheduler => libc::SYS_sched_setscheduler,
    ioprio_set => libc::SYS_ioprio_set, ioprio_get => libc::SYS_ioprio_get, prlimit64 => libc::SYS_prlimit64, prctl => libc::SYS_prctl,
    ioctl => libc::SYS_ioctl, fcntl => libc::SYS_fcntl, mmap => libc::SYS_mmap, mprotect => libc::SYS_mprotect,
    pkey_mprotect => libc::SYS_pkey_mprotect, socket => libc::SYS_socket, socketpair => libc::SYS_socketpair,
    rt_sigaction => libc::SYS_rt_sigaction,
];

/// Name of a system call. `None` if it is on no list.
pub(super) fn name(number: i64) -> Option<&'static str> {
    let lists = [
        ORDINARY,
        ORDINARY_X86,
        FILE_CHANGES,
        FILE_CHANGES_X86,
        FILE_WATCHES,
        FILE_WATCHES_X86,
        FILE_ATTRIBUTES,
        EXECUTE,
        CONNECT,
        FORK_X86,
        SIGNALS,
        PTRACE,
        NAMESPACES,
        CREDENTIALS,
        MEMORY_FILES,
        KERNEL_SURFACE,
        KERNEL_SURFACE_X86,
        BY_ARGUMENTS,
    ];
    lists.into_iter().flatten().find(|(_, other)| *other == number).map(|(name, _)| *name)
}
