//! The filter of system calls for a policy.

use seccompiler::sock_filter;

use super::assembler::{Condition, RefusedCalls, Verdict, assemble, coalesce};
use super::calls::{self, Call};
use super::policy_text::Policy;
use crate::sandbox::protection::Protection;

/// Name of the mechanism in reports.
pub(super) const FILTER: &str = "seccomp";

/// Protections that a filter enforces, at least in part.
pub(super) const FILTERED: &[Protection] = &[
    Protection::FileRead,
    Protection::FileWrite,
    Protection::Execute,
    Protection::NewCode,
    Protection::Tcp,
    Protection::Udp,
    Protection::AbstractSockets,
    Protection::PathSockets,
    Protection::Signals,
    Protection::Ptrace,
    Protection::Processes,
    Protection::Memory,
    Protection::Capabilities,
    Protection::Namespaces,
    Protection::KernelSurface,
];

pub(super) const NETWORK: &[Protection] =
    &[Protection::Tcp, Protection::Udp, Protection::AbstractSockets, Protection::PathSockets];

/// Protections for which files in memory are refused: they hold data beyond the limit of the address
/// space, and can be executed and loaded, since Landlock does not check them.
const MEMORY_FILES_FOR: &[Protection] = &[Protection::Memory, Protection::Execute, Protection::NewCode];

/// Time at which a filter is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// In the program of the worker, which is loaded.
    Whole,
    /// Before a launcher executes the program of the worker, which must be loaded.
    BeforeExec,
    /// In the program of the worker, after a launcher has executed it.
    AfterExec,
}

/// First number of the x32 calls of an x86-64 kernel. They do the same as others, under numbers that
/// no list has.
const X32_CALLS: u32 = 0x4000_0000;
const PROT_WRITE: u32 = 2;
const PROT_EXEC: u32 = 4;
const CLONE_THREAD: u32 = 0x0001_0000;
/// The flags of `clone` for namespaces: time, mount, cgroup, UTS, IPC, user, PID and network.
const CLONE_NAMESPACES: u32 = 0x7e02_0080;
const SIGSYS: u32 = 31;
const SOCK_STREAM: u32 = 1;
const SOCK_TYPE: u32 = 0xf;
const AF_UNIX: u32 = 1;
const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;
const AF_NETLINK: u32 = 16;
const PR_SET_DUMPABLE: u32 = 4;
const PR_SET_MM: u32 = 35;
const PR_SET_PTRACER: u32 = 0x5961_6d61;
/// Commands of `ioctl` that type into a terminal, name a process for signals, or change a file:
/// `TIOCSTI`, `TIOCLINUX`, `FIOSETOWN`, `SIOCSPGRP`, `FS_IOC_SETFLAGS`, `FS_IOC_FSSETXATTR`.
const REFUSED_IOCTLS: [u32; 6] = [0x5412, 0x541c, 0x8901, 0x8902, 0x4008_6602, 0x401c_5820];
/// Commands of `fcntl` that name a process for signals: `F_SETOWN`, `F_SETSIG`, `F_SETOWN_EX`.
const REFUSED_FCNTLS: [u32; 3] = [8, 10, 15];

/// Returns the filter for the process `pid`. `None` if the policy needs none, or this processor has
/// no list of system calls.
pub(super) fn build(policy: &Policy, stage: Stage, pid: u32) -> Option<Vec<sock_filter>> {
    let architecture = calls::ARCHITECTURE?;
    if !FILTERED.iter().any(|&protection| policy.has(protection)) {
        return None;
    }
    let count = usize::try_from(calls::MAX_NUMBER).expect("a small number") + 1;
    let rules = FilterRules { policy, stage, pid, verdicts: vec![None; count] };
    let refusal = if policy.kills { RefusedCalls::Trap } else { RefusedCalls::Errno };
    Some(assemble(architecture, &rules.verdicts(), refusal))
}

/// Builder of the verdicts of a filter.
struct FilterRules<'a> {
    policy: &'a Policy,
    stage: Stage,
    pid: u32,
    /// Verdicts by number. `None`: the call is on no list.
    verdicts: Vec<Option<Verdict>>,
}

impl FilterRules<'_> {
    /// Verdicts by number, without neighbors that are equal.
    fn verdicts(mut self) -> Vec<(u32, Verdict)> {
        let is_listed_only = self.policy.has(Protection::KernelSurface) && self.stage != Stage::AfterExec;
        if self.stage != Stage::AfterExec {
            self.add_lists();
            self.add_processes();
            self.add_sockets();
            self.add_descriptors();
        }
        self.add_code();
        let (other, newer) = match is_listed_only {
            true => (Verdict::Refuse, Verdict::Unknown),
            false => (Verdict::Allow, Verdict::Allow),
        };
        let known = (0..).zip(self.verdicts.into_iter().map(|it| it.unwrap_or_else(|| other.clone())));
        coalesce(known.chain([(calls::MAX_NUMBER + 1, newer), (X32_CALLS, Verdict::Unknown)]))
    }

    fn set(&mut self, number: i64, verdict: Verdict) {
        let slot = usize::try_from(number).ok().and_then(|number| self.verdicts.get_mut(number));
        if let Some(slot) = slot {
            *slot = Some(verdict);
        }
    }

    fn set_all(&mut self, lists: &[&[Call]], verdict: &Verdict) {
        for (_, number) in lists.iter().copied().flatten() {
            self.set(*number, verdict.clone());
        }
    }

    /// Refuses these calls if the policy has the protection.
    fn refuse_for(&mut self, protection: Protection, lists: &[&[Call]]) {
        self.refuse_for_any(&[protection], lists);
    }

    /// Refuses these calls if the policy has one of the protections.
    fn refuse_for_any(&mut self, protections: &[Protection], lists: &[&[Call]]) {
        let is_refused = protections.iter().any(|&protection| self.policy.has(protection));
        self.set_all(lists, if is_refused { &Verdict::Refuse } else { &Verdict::Allow });
    }

    fn add_lists(&mut self) {
        self.set_all(&[calls::ORDINARY, calls::ORDINARY_X86], &Verdict::Allow);
        self.refuse_for(Protection::FileWrite, &[calls::FILE_CHANGES, calls::FILE_CHANGES_X86]);
        let reads = [calls::FILE_WATCHES, calls::FILE_WATCHES_X86, calls::FILE_ATTRIBUTES];
        self.refuse_for(Protection::FileRead, &reads);
        self.refuse_for(Protection::Ptrace, &[calls::PTRACE]);
        self.refuse_for(Protection::Namespaces, &[calls::NAMESPACES]);
        self.refuse_for(Protection::Capabilities, &[calls::CREDENTIALS]);
        self.refuse_for_any(MEMORY_FILES_FOR, &[calls::MEMORY_FILES]);
        self.add_ways_around();
        // Loads the program of the worker.
        self.set_all(&[calls::EXECUTE], &Verdict::Allow);
    }

    /// Calls of the kernel surface that lead around other protections. They matter if the surface is
    /// open.
    fn add_ways_around(&mut self) {
        for (protection, number) in [
            (Protection::NewCode, libc::SYS_shmat),
            (Protection::Memory, libc::SYS_shmat),
            (Protection::FileRead, libc::SYS_fanotify_init),
            (Protection::FileWrite, libc::SYS_io_uring_setup),
            (Protection::Capabilities, libc::SYS_unshare),
        ] {
            if self.policy.has(protection) {
                self.set(number, Verdict::Refuse);
            }
        }
    }

    /// Processes and signals. The process has no children if it may start none, and may then signal
    /// and change itself alone. If it may, Landlock confines its signals.
    fn add_processes(&mut self) {
        let policy = self.policy;
        let no_processes = policy.has(Protection::Processes);
        // A user namespace gives all capabilities in it.
        let no_namespaces = policy.has(Protection::Namespaces) || policy.has(Protection::Capabilities);
        self.refuse_for(Protection::Processes, &[calls::FORK_X86]);
        let mut flags = Vec::new();
        if no_processes {
            flags.push(Condition::bits(0, CLONE_THREAD, CLONE_THREAD));
        }
        if no_namespaces {
            flags.push(Condition::bits(0, CLONE_NAMESPACES, 0));
        }
        self.set(libc::SYS_clone, Verdict::AllowIf(vec![flags]));
        // Its flags are in memory, which a filter cannot read. The C library then uses `clone`.
        let clone3 = if no_processes || no_namespaces { Verdict::Unknown } else { Verdict::Allow };
        self.set(libc::SYS_clone3, clone3);

        let is_itself_only = policy.has(Protection::Signals) && no_processes;
        let itself = |argument, others: &[u32]| {
            let ids = others.iter().copied().chain([self.pid]);
            Verdict::AllowIf(ids.map(|id| vec![Condition::is(argument, id)]).collect())
        };
        let group = self.pid.wrapping_neg();
        let by_process = [
            (libc::SYS_kill, itself(0, &[0, group])),
            (libc::SYS_tgkill, itself(0, &[])),
            (libc::SYS_rt_sigqueueinfo, itself(0, &[])),
            (libc::SYS_rt_tgsigqueueinfo, itself(0, &[])),
            (libc::SYS_prlimit64, itself(0, &[0])),
            (libc::SYS_sched_setaffinity, itself(0, &[0])),
            (libc::SYS_sched_setattr, itself(0, &[0])),
            (libc::SYS_sched_setparam, itself(0, &[0])),
            (libc::SYS_sched_setscheduler, itself(0, &[0])),
            (libc::SYS_setpriority, self.itself_of_kind(0)),
            (libc::SYS_ioprio_set, self.itself_of_kind(1)),
            (libc::SYS_ioprio_get, Verdict::Allow),
        ];
        for (number, verdict) in by_process {
            self.set(number, if is_itself_only { verdict } else { Verdict::Allow });
        }
        self.set_all(&[calls::SIGNALS], if is_itself_only { &Verdict::Refuse } else { &Verdict::Allow });
        if policy.has(Protection::Signals) && !no_processes {
            // Landlock does not confine these, and they need no permission between processes of a user.
            for number in [libc::SYS_prlimit64, libc::SYS_setpriority, libc::SYS_ioprio_set] {
                let verdict = match number {
                    libc::SYS_prlimit64 => Verdict::AllowIf(vec![vec![Condition::is(0, 0)]]),
                    _ => Verdict::Refuse,
                };
                self.set(number, verdict);
            }
            for number in [
                libc::SYS_sched_setaffinity,
                libc::SYS_sched_setattr,
                libc::SYS_sched_setparam,
                libc::SYS_sched_setscheduler,
            ] {
                self.set(number, Verdict::AllowIf(vec![vec![Condition::is(0, 0)]]));
            }
        }
    }

    /// Verdict of a call that names the kind of an id first: `kind` means a process.
    fn itself_of_kind(&self, kind: u32) -> Verdict {
        let id = |id| vec![Condition::is(0, kind), Condition::is(1, id)];
        Verdict::AllowIf(vec![id(0), id(self.pid)])
    }

    fn add_sockets(&mut self) {
        let policy = self.policy;
        let is_offline = NETWORK.iter().all(|&protection| policy.has(protection));
        self.set_all(&[calls::CONNECT], if is_offline { &Verdict::Refuse } else { &Verdict::Allow });
        let stream = Condition::bits(1, SOCK_TYPE, SOCK_STREAM);
        let mut allowed = Vec::new();
        for family in [AF_INET, AF_INET6] {
            if !policy.has(Protection::Tcp) {
                allowed.push(vec![Condition::is(0, family), stream]);
            }
            if !policy.has(Protection::Udp) {
                allowed.push(vec![Condition::is(0, family), Condition { is_equal: false, ..stream }]);
            }
        }
        if !policy.has(Protection::Udp) {
            allowed.push(vec![Condition::is(0, AF_NETLINK)]);
        }
        let no_named = [Protection::AbstractSockets, Protection::PathSockets].map(|it| policy.has(it));
        if no_named != [true; 2] {
            allowed.push(vec![Condition::is(0, AF_UNIX)]);
        }
        if NETWORK.iter().any(|&protection| policy.has(protection)) {
            self.set(libc::SYS_socket, Verdict::AllowIf(allowed));
            // It opens and connects sockets by requests in memory, which no filter sees.
            self.set(libc::SYS_io_uring_setup, Verdict::Refuse);
        } else {
            self.set(libc::SYS_socket, Verdict::Allow);
        }
        // A datagram socket of a pair can send to any other one.
        let pair = vec![Condition::is(0, AF_UNIX), stream];
        let pair = if no_named == [false; 2] { Verdict::Allow } else { Verdict::AllowIf(vec![pair]) };
        self.set(libc::SYS_socketpair, pair);
    }

    fn add_descriptors(&mut self) {
        let refused = |argument, values: &[u32]| {
            Verdict::AllowIf(vec![values.iter().map(|&value| Condition::is_not(argument, value)).collect()])
        };
        let (terminals, files) = REFUSED_IOCTLS.split_at(4);
        let mut ioctls = Vec::new();
        if self.policy.has(Protection::Signals) {
            ioctls.extend(terminals);
        }
        if self.policy.has(Protection::FileWrite) {
            ioctls.extend(files);
        }
        self.set(libc::SYS_ioctl, refused(1, &ioctls));
        let fcntls: &[u32] = if self.policy.has(Protection::Signals) { &REFUSED_FCNTLS } else { &[] };
        self.set(libc::SYS_fcntl, refused(1, fcntls));
    }

    /// Executable memory, programs, and what a filter of the program itself adds.
    fn add_code(&mut self) {
        let policy = self.policy;
        let is_loaded = self.stage != Stage::BeforeExec;
        if policy.has(Protection::NewCode) {
            let data = vec![Condition::bits(2, PROT_EXEC, 0)];
            let file_code = vec![Condition::bits(2, PROT_WRITE, 0)];
            let mmap = if is_loaded { vec![data.clone()] } else { vec![data.clone(), file_code] };
            self.set(libc::SYS_mmap, Verdict::AllowIf(mmap));
            for number in [libc::SYS_mprotect, libc::SYS_pkey_mprotect] {
                self.set(number, Verdict::AllowIf(vec![data.clone()]));
            }
            // `READ_IMPLIES_EXEC` would make all memory executable.
            let unchanged = [0, u32::MAX].map(|persona| vec![Condition::is(0, persona)]);
            self.set(libc::SYS_personality, Verdict::AllowIf(unchanged.to_vec()));
        } else {
            for number in [libc::SYS_mmap, libc::SYS_mprotect, libc::SYS_pkey_mprotect] {
                self.set(number, Verdict::Allow);
            }
        }
        if is_loaded && policy.has(Protection::Execute) && !policy.may_execute() {
            self.set_all(&[calls::EXECUTE], &Verdict::Refuse);
        }
        let mut prctls = vec![Condition::is_not(0, PR_SET_MM)];
        if policy.has(Protection::Ptrace) {
            prctls.push(Condition::is_not(0, PR_SET_PTRACER));
        }
        if is_loaded && policy.has(Protection::CoreDumps) {
            prctls.push(Condition::is_not(0, PR_SET_DUMPABLE));
        }
        self.set(libc::SYS_prctl, Verdict::AllowIf(vec![prctls]));
        // The handler that names the refused call stays.
        let handlers = match is_loaded && policy.kills {
            true => Verdict::AllowIf(vec![vec![Condition::is_not(0, SIGSYS)]]),
            false => Verdict::Allow,
        };
        self.set(libc::SYS_rt_sigaction, handlers);
    }
}

#[cfg(test)]
mod tests {
    use super::super::assembler::tests::run;
    use super::*;
    use crate::sandbox::protection::ProtectionSet;

    const PID: u32 = 4711;
    const ALLOWED: u32 = 0x7fff_0000;
    const REFUSED: u32 = 0x0005_0001;
    const UNKNOWN: u32 = 0x0005_0026;

    /// Result of a call in a process with this filter.
    fn result(policy: &Policy, stage: Stage, number: i64, arguments: [u64; 6]) -> u32 {
        let filter = build(policy, stage, PID).unwrap();
        run(&filter, calls::ARCHITECTURE.unwrap(), u32::try_from(number).unwrap(), arguments)
    }

    fn everything() -> Policy {
        Policy { protections: ProtectionSet::of(Protection::ALL), ..Policy::default() }
    }

    #[test]
    fn lists_are_allowed_or_refused_as_a_whole() {
        let policy = everything();
        let whole = |number| result(&policy, Stage::Whole, number, [0; 6]);
        for (name, number) in [calls::ORDINARY, calls::ORDINARY_X86].concat() {
            assert_eq!(whole(number), ALLOWED, "{name}");
        }
        let refused = [
            calls::FILE_CHANGES,
            calls::FILE_WATCHES,
            calls::FILE_ATTRIBUTES,
            calls::EXECUTE,
            calls::CONNECT,
            calls::FORK_X86,
            calls::SIGNALS,
            calls::PTRACE,
            calls::NAMESPACES,
            calls::CREDENTIALS,
            calls::MEMORY_FILES,
            calls::KERNEL_SURFACE_X86,
        ];
        for (name, number) in refused.concat() {
            assert_eq!(whole(number), REFUSED, "{name}");
        }
        let by_arguments = ["personality", "rt_sigqueueinfo"];
        let surface = calls::KERNEL_SURFACE.iter().filter(|(name, _)| !by_arguments.contains(name));
        for (name, number) in surface {
            assert_eq!(whole(*number), REFUSED, "{name}");
        }
        assert_eq!(whole(i64::from(calls::MAX_NUMBER) + 1), UNKNOWN);
        assert_eq!(whole(libc::SYS_clone3), UNKNOWN);
    }

    #[test]
    fn calls_are_told_apart_by_their_arguments() {
        let policy = everything();
        let whole = |number, arguments| result(&policy, Stage::Whole, number, arguments);
        let thread = u64::from(CLONE_THREAD);
        let own = u64::from(PID);
        for (number, arguments, expected) in [
            (libc::SYS_clone, [thread, 0, 0, 0, 0, 0], ALLOWED),
            (libc::SYS_clone, [thread | 0x1000_0000, 0, 0, 0, 0, 0], REFUSED),
            (libc::SYS_clone, [17, 0, 0, 0, 0, 0], REFUSED),
            (libc::SYS_kill, [own, 9, 0, 0, 0, 0], ALLOWED),
            (libc::SYS_kill, [own + 1, 9, 0, 0, 0, 0], REFUSED),
            (libc::SYS_kill, [u64::from(u32::MAX), 9, 0, 0, 0, 0], REFUSED),
            (libc::SYS_tgkill, [own, 5, 6, 0, 0, 0], ALLOWED),
            (libc::SYS_prlimit64, [0, 0, 0, 0, 0, 0], ALLOWED),
            (libc::SYS_prlimit64, [1, 0, 0, 0, 0, 0], REFUSED),
            (libc::SYS_setpriority, [0, own, 1, 0, 0, 0], ALLOWED),
            (libc::SYS_setpriority, [2, own, 1, 0, 0, 0], REFUSED),
            (libc::SYS_mmap, [0, 4096, 3, 0, 0, 0], ALLOWED),
            (libc::SYS_mmap, [0, 4096, 5, 0, 0, 0], REFUSED),
            (libc::SYS_mprotect, [0, 4096, 4, 0, 0, 0], REFUSED),
            (libc::SYS_socketpair, [1, 0x80801, 0, 0, 0, 0], ALLOWED),
            (libc::SYS_socketpair, [1, 2, 0, 0, 0, 0], REFUSED),
            (libc::SYS_socket, [1, 1, 0, 0, 0, 0], REFUSED),
            (libc::SYS_ioctl, [0, 0x5401, 0, 0, 0, 0], ALLOWED),
            (libc::SYS_ioctl, [0, 0x5412, 0, 0, 0, 0], REFUSED),
            // The kernel reads the low half of the command.
            (libc::SYS_ioctl, [0, 1 << 32 | 0x5412, 0, 0, 0, 0], REFUSED),
            (libc::SYS_fcntl, [0, 1, 0, 0, 0, 0], ALLOWED),
            (libc::SYS_fcntl, [0, 8, 0, 0, 0, 0], REFUSED),
        ] {
            assert_eq!(whole(number, arguments), expected, "{:?} {arguments:x?}", calls::name(number));
        }
    }

    #[test]
    fn a_launcher_can_execute_and_load_its_program() {
        let policy = everything();
        let code = [0, 4096, 5, 0, 0, 0];
        for (stage, execute, load) in [
            (Stage::BeforeExec, ALLOWED, ALLOWED),
            (Stage::AfterExec, REFUSED, REFUSED),
            (Stage::Whole, REFUSED, REFUSED),
        ] {
            assert_eq!(result(&policy, stage, libc::SYS_execve, [0; 6]), execute, "{stage:?}");
            assert_eq!(result(&policy, stage, libc::SYS_mmap, code), load, "{stage:?}");
        }
        let writable_code = [0, 4096, 7, 0, 0, 0];
        assert_eq!(result(&policy, Stage::BeforeExec, libc::SYS_mmap, writable_code), REFUSED);
    }

    #[test]
    fn a_protection_that_is_off_allows_its_calls() {
        let without = |protection| {
            let mut policy = everything();
            policy.protections.remove(protection);
            policy
        };
        for (protection, number, arguments) in [
            (Protection::Tcp, libc::SYS_socket, [2, 1, 0, 0, 0, 0]),
            (Protection::Tcp, libc::SYS_connect, [0; 6]),
            (Protection::Udp, libc::SYS_socket, [10, 2, 0, 0, 0, 0]),
            (Protection::PathSockets, libc::SYS_socket, [1, 1, 0, 0, 0, 0]),
            (Protection::Processes, libc::SYS_clone, [17, 0, 0, 0, 0, 0]),
            (Protection::Ptrace, libc::SYS_ptrace, [0; 6]),
            (Protection::NewCode, libc::SYS_mmap, [0, 4096, 7, 0, 0, 0]),
            (Protection::Execute, libc::SYS_execve, [0; 6]),
            (Protection::FileWrite, libc::SYS_fchmod, [0; 6]),
            (Protection::KernelSurface, libc::SYS_bpf, [0; 6]),
        ] {
            assert_eq!(
                result(&without(protection), Stage::Whole, number, arguments),
                ALLOWED,
                "{protection}"
            );
            assert_eq!(result(&everything(), Stage::Whole, number, arguments), REFUSED, "{protection}");
        }
        // Neither x32 calls nor a ring lead around the filter of sockets.
        let policy = without(Protection::KernelSurface);
        let x32_socket = i64::from(X32_CALLS) + libc::SYS_socket;
        assert_eq!(result(&policy, Stage::Whole, x32_socket, [2, 1, 0, 0, 0, 0]), UNKNOWN);
        assert_eq!(result(&policy, Stage::Whole, libc::SYS_io_uring_setup, [0; 6]), REFUSED);
        let udp = [2, 2, 0, 0, 0, 0];
        assert_eq!(result(&without(Protection::Tcp), Stage::Whole, libc::SYS_socket, udp), REFUSED);
        assert!(build(&Policy::default(), Stage::Whole, PID).is_none());
    }
}
