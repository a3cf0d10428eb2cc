//! Restriction of files, TCP, abstract sockets and signals by Landlock.

use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};

use super::filter::NETWORK;
use super::policy_text::{Access, MAX_LANDLOCK, Policy};
use crate::sandbox::protection::Protection;

/// Versions of Landlock that this library uses. A later one is not used before this list names it,
/// so that a new kernel changes nothing.
const ABIS: [ABI; MAX_LANDLOCK as usize] = [ABI::V1, ABI::V2, ABI::V3, ABI::V4, ABI::V5, ABI::V6];

/// Files and folders that every program needs, and may read.
const READABLE: &[&str] = &[
    "/usr/share/locale",
    "/etc/locale.alias",
    "/usr/share/zoneinfo",
    "/etc/localtime",
    "/dev/random",
    "/dev/urandom",
    "/proc/self",
    "/sys/devices/system/cpu",
];

/// Folders of shared libraries, which a backtrace reads, too.
const LIBRARIES: &[&str] = &["/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64"];

/// Files of the loader, if the process may still load libraries.
const LOADER: &[&str] = &["/etc/ld.so.cache", "/etc/ld.so.preload"];

/// Devices that every program may read and write.
const WRITABLE: &[&str] = &["/dev/null", "/dev/zero", "/dev/full"];

/// Files that the resolution of names needs, if a network protection is off.
const RESOLVER: &[&str] = &[
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
];

/// Protections for which Landlock is used.
pub(super) const RESTRICTED: &[Protection] = &[
    Protection::FileRead,
    Protection::FileWrite,
    Protection::Execute,
    Protection::Tcp,
    Protection::AbstractSockets,
    Protection::Signals,
];

/// Newest version of Landlock that both this library and the kernel know. Zero: none.
pub(super) fn supported() -> u8 {
    let is_supported = |abi: ABI| {
        let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        let ruleset = ruleset.handle_access(AccessFs::from_all(abi));
        let ruleset = match AccessNet::from_all(abi) {
            net if net.is_empty() => ruleset,
            net => ruleset.and_then(|ruleset| ruleset.handle_access(net)),
        };
        match Scope::from_all(abi) {
            scope if scope.is_empty() => ruleset.is_ok(),
            scope => ruleset.and_then(|ruleset| ruleset.scope(scope)).is_ok(),
        }
    };
    let known = ABIS.iter().take_while(|&&abi| is_supported(abi)).count();
    u8::try_from(known).unwrap_or(MAX_LANDLOCK)
}

/// Restricts this process. `program` is executed next, if this process is a launcher.
pub(super) fn restrict(policy: &Policy, program: Option<&Path>) -> Result<(), String> {
    if policy.landlock == 0 || !RESTRICTED.iter().any(|&protection| policy.has(protection)) {
        return Ok(());
    }
    let abi = ABIS[usize::from(policy.landlock.min(MAX_LANDLOCK)) - 1];
    let rights = Rights::of(policy, abi);
    let ruleset = rights.ruleset(policy, abi).map_err(|error| failed("prepare Landlock", &error))?;
    let mut rules = PathRules { ruleset: Some(ruleset), rights };
    for path in READABLE {
        rules.add_if_present(path, Access::Read)?;
    }
    for path in LIBRARIES {
        // On most systems, `/lib` leads to `/usr/lib`.
        let is_below_usr = std::fs::read_link(path).is_ok_and(|target| target.starts_with("usr"));
        if !is_below_usr {
            rules.add_if_present(path, Access::Read)?;
        }
    }
    if program.is_some() || !policy.protections.contains(Protection::NewCode) {
        for path in LOADER {
            rules.add_if_present(path, Access::Read)?;
        }
    }
    for path in WRITABLE {
        rules.add_if_present(path, Access::Write)?;
    }
    if NETWORK.iter().any(|&protection| !policy.has(protection)) {
        for path in RESOLVER {
            rules.add_if_present(path, Access::Read)?;
        }
    }
    match program {
        Some(program) => rules.add(program, Access::Execute)?,
        None => rules.add(Path::new("/proc/self/exe"), Access::Read)?,
    }
    for (access, path) in &policy.paths {
        rules.add(path, *access)?;
    }
    let restricted = rules.ruleset.take().expect("present between additions").restrict_self();
    restricted.map_err(|error| failed("restrict files by Landlock", &error))?;
    Ok(())
}

/// Rights that the process loses, except where a rule grants them.
struct Rights {
    all: BitFlags<AccessFs>,
    read: BitFlags<AccessFs>,
    write: BitFlags<AccessFs>,
    execute: BitFlags<AccessFs>,
}

impl Rights {
    fn of(policy: &Policy, abi: ABI) -> Self {
        let of = |protection, rights: BitFlags<AccessFs>| {
            if policy.has(protection) { rights } else { BitFlags::EMPTY }
        };
        let read = of(Protection::FileRead, AccessFs::ReadFile | AccessFs::ReadDir);
        let write = of(Protection::FileWrite, AccessFs::from_write(abi));
        let execute = of(Protection::Execute, AccessFs::Execute.into());
        let devices_and_sockets = AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::MakeSock;
        Self {
            all: read | write | execute,
            read,
            write: read | (write & !devices_and_sockets),
            execute: read | execute,
        }
    }

    fn ruleset(&self, policy: &Policy, abi: ABI) -> Result<RulesetCreated, RulesetError> {
        let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        if !self.all.is_empty() {
            ruleset = ruleset.handle_access(self.all)?;
        }
        let net = AccessNet::from_all(abi);
        if policy.has(Protection::Tcp) && !net.is_empty() {
            ruleset = ruleset.handle_access(net)?;
        }
        let scopes =
            [(Protection::AbstractSockets, Scope::AbstractUnixSocket), (Protection::Signals, Scope::Signal)];
        for (protection, scope) in scopes {
            if policy.has(protection) && Scope::from_all(abi).contains(scope) {
                ruleset = ruleset.scope(scope)?;
            }
        }
        ruleset.create()
    }
}

struct PathRules {
    /// `None` while a rule is added.
    ruleset: Option<RulesetCreated>,
    rights: Rights,
}

impl PathRules {
    fn add_if_present(&mut self, path: &str, access: Access) -> Result<(), String> {
        match PathFd::new(path) {
            Ok(descriptor) => self.add_descriptor(Path::new(path), descriptor, access),
            Err(_) => Ok(()),
        }
    }

    fn add(&mut self, path: &Path, access: Access) -> Result<(), String> {
        let opened = PathFd::new(path);
        let descriptor = opened.map_err(|error| failed(&format!("open {}", path.display()), &error))?;
        self.add_descriptor(path, descriptor, access)
    }

    fn add_descriptor(&mut self, path: &Path, descriptor: PathFd, access: Access) -> Result<(), String> {
        let attempt = || format!("allow {}", path.display());
        let stat = rustix::fs::fstat(&descriptor).map_err(|error| failed(&attempt(), &error))?;
        let is_dir = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir();
        if is_dir && access == Access::Load {
            return Err(format!("could not {}: a program cannot be loaded by a folder", attempt()));
        }
        let rights = match access {
            Access::Read => self.rights.read,
            Access::Write => self.rights.write,
            Access::Execute | Access::Load => self.rights.execute,
        };
        // The kernel accepts no right of a folder for a file.
        let rights = if is_dir { rights } else { rights & AccessFs::from_file(ABIS[ABIS.len() - 1]) };
        if rights.is_empty() {
            return Ok(());
        }
        let ruleset = self.ruleset.take().expect("present between additions");
        let added = ruleset.add_rule(PathBeneath::new(descriptor, rights));
        self.ruleset = Some(added.map_err(|error| failed(&attempt(), &error))?);
        Ok(())
    }
}

/// Appends the causes of an error, which the crate leaves out.
fn failed(what: &str, error: &dyn std::error::Error) -> String {
    let mut text = format!("could not {what}: {error}");
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        source = error.source();
    }
    text
}
