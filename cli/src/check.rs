use std::process::ExitCode;

use isolated_workers::sandbox::{Protection, ProtectionState, Sandbox};
use serde_json::json;

use crate::failure::Failure;
use crate::output::Output;

/// Writes what this machine can enforce for a worker, and the limits of this process.
pub(crate) fn run(output: &mut Output, as_json: bool) -> Result<ExitCode, Failure> {
    // With all protections optional, the report names those that cannot be had instead of failing.
    let limits =
        Sandbox::deny_all().memory(1 << 30).cpu_time(std::time::Duration::from_secs(60)).file_size(1 << 30);
    let sandbox = Protection::ALL.iter().fold(limits, |sandbox, protection| sandbox.may_lack(*protection));
    let report = sandbox.check()?;
    let system = system();
    if as_json {
        let rows = report.rows().iter().map(|row| {
            json!({ "protection": row.protection.name(), "state": row.state.name(), "by": row.by, "why": row.why })
        });
        let system: serde_json::Map<_, _> =
            system.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let json = json!({ "sandbox": rows.collect::<Vec<_>>(), "system": system });
        output.write_json(&json.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    output.write_line(report.to_string().trim_end())?;
    output.write_line("")?;
    for (name, value) in system {
        output.write_line(&format!("{name:<16}  {value}"))?;
    }
    let missing = report.rows().iter().filter(|row| row.state != ProtectionState::Active).count();
    output.write_line("")?;
    output.write_line(&match missing {
        0 => "`Sandbox::deny_all` and all limits can be had here".to_owned(),
        _ => format!(
            "{missing} protections cannot be had here as a whole; a worker that needs one does not start"
        ),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Facts about the system that bear on workers.
fn system() -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("system", std::env::consts::OS.to_owned()),
        ("architecture", std::env::consts::ARCH.to_owned()),
        (
            "processors",
            std::thread::available_parallelism().map_or("unknown".to_owned(), |count| count.to_string()),
        ),
    ];
    let read = |path: &str| std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    facts.extend(read("/proc/sys/kernel/osrelease").map(|release| ("kernel", release)));
    for (name, label) in [("open files", "Max open files"), ("processes", "Max processes")] {
        let limits = read("/proc/self/limits").unwrap_or_default();
        let line = limits.lines().find_map(|line| line.strip_prefix(label));
        facts.extend(
            line.and_then(|line| line.split_whitespace().next()).map(|limit| (name, limit.to_owned())),
        );
    }
    let open = std::fs::read_dir("/proc/self/fd").ok().map(Iterator::count);
    facts.extend(open.map(|count| ("descriptors", count.to_string())));
    facts.push(("temporary files", std::env::temp_dir().display().to_string()));
    facts
}
