//! Confines the process that calls it.

use std::fmt::Display;
use std::path::Path;

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, getpid, getrlimit, set_dumpable_behavior, setrlimit,
};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};

use super::filter::{self, Stage};
use super::policy_text::Policy;
use super::{files, violation};
use crate::sandbox::protection::Protection;

/// Sets up the policy, in an order in which no step hinders a later one: the file that dumps are
/// made of, limits, privileges, files, and system calls last. The descriptors that the process has
/// inherited by accident are closed before. `program` is the program that this process executes
/// next, if it is a launcher.
///
/// # Errors
/// The step that failed. The process is then confined in part and must end.
pub(super) fn confine(policy: &Policy, program: Option<&Path>) -> Result<(), String> {
    check_single_threaded()?;
    let stage = if program.is_some() { Stage::BeforeExec } else { Stage::Whole };
    if program.is_none() {
        forbid_dumps(policy)?;
    }
    set_limits(policy)?;
    set_no_new_privs(true).map_err(failed("give up new privileges"))?;
    if policy.has(Protection::Capabilities) {
        let none = CapabilitySet::empty();
        let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
        set_capabilities(None, sets).map_err(failed("give up capabilities"))?;
    }
    files::restrict(policy, program)?;
    if program.is_none() {
        handle_violations(policy);
    }
    install(policy, stage)
}

/// Adds what a launcher could not set up, because the program had to be executed and loaded.
pub(super) fn tighten(policy: &Policy) -> Result<(), String> {
    check_single_threaded()?;
    forbid_dumps(policy)?;
    handle_violations(policy);
    install(policy, Stage::AfterExec)
}

/// Landlock confines the calling thread and its later threads. Others would stay free.
fn check_single_threaded() -> Result<(), String> {
    let threads = std::fs::read_dir("/proc/self/task").map_err(failed("count the threads in /proc"))?;
    match threads.count() {
        1 => Ok(()),
        count => Err(format!("{count} threads run already; let no library start one before `main`")),
    }
}

/// Denies core dumps, and access to this process through `/proc` for processes of its user.
fn forbid_dumps(policy: &Policy) -> Result<(), String> {
    if !policy.has(Protection::CoreDumps) {
        return Ok(());
    }
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(failed("forbid core dumps"))
}

fn set_limits(policy: &Policy) -> Result<(), String> {
    let set = |resource, soft: u64, hard: u64, what: &str| {
        // The host may have lower limits, which it must not raise.
        let old = getrlimit(resource);
        let lower = |new: u64, old: Option<u64>| Some(old.map_or(new, |old| old.min(new)));
        let limit = Rlimit { current: lower(soft, old.maximum), maximum: lower(hard, old.maximum) };
        setrlimit(resource, limit).map_err(failed(what))
    };
    if policy.has(Protection::CoreDumps) {
        set(Resource::Core, CORE_BYTES, CORE_BYTES, "limit core dumps")?;
    }
    let limits = policy.limits;
    if let Some(bytes) = limits.memory {
        set(Resource::As, bytes, bytes, "limit the memory")?;
    }
    if let Some(seconds) = limits.cpu_time {
        // The worker is killed at the higher limit if it ignores the signal.
        set(Resource::Cpu, seconds, seconds.saturating_add(1), "limit the processor time")?;
    }
    if let Some(count) = limits.open_files {
        set(Resource::Nofile, count, count, "limit the open files")?;
    }
    if let Some(bytes) = limits.file_size {
        set(Resource::Fsize, bytes, bytes, "limit the size of files")?;
    }
    Ok(())
}

/// Size limit of a core dump in bytes. The kernel writes no file that is shorter than a page, and
/// at exactly this limit it does not start a program that receives dumps either.
pub(super) const CORE_BYTES: u64 = 1;

fn handle_violations(policy: &Policy) {
    if policy.kills {
        violation::report_before_death();
    }
}

fn install(policy: &Policy, stage: Stage) -> Result<(), String> {
    let pid = getpid().as_raw_pid().cast_unsigned();
    let Some(filter) = filter::build(policy, stage, pid) else { return Ok(()) };
    seccompiler::apply_filter(&filter).map_err(failed("install the filter of system calls"))
}

fn failed<E: Display>(what: &str) -> impl FnOnce(E) -> String {
    let what = what.to_owned();
    move |error| format!("could not {what}: {error}")
}
