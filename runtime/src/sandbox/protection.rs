use std::fmt;

/// Declares each protection with its name.
macro_rules! protections {
    ($($(#[$doc:meta])* $protection:ident = $name:literal;)*) => {
        /// One thing that a [`Sandbox`](super::Sandbox) refuses to a worker. `Display` writes its name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Protection {
            $($(#[$doc])* $protection,)*
        }

        impl Protection {
            /// All protections, in the order of a [`Report`](super::Report).
            pub const ALL: &'static [Self] = &[$(Self::$protection),*];

            /// Name in reports and in policy texts, such as `file-read`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$protection => $name,)*
                }
            }

            /// Protection with this name. `None` if there is none.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$protection),)*
                    _ => None,
                }
            }
        }
    };
}

protections! {
    /// Reads of files and folders that are not listed.
    FileRead = "file-read";
    /// Writes to files that are not listed, and every change of permissions, owners, times and
    /// extended attributes.
    FileWrite = "file-write";
    /// Execution of programs that are not listed.
    Execute = "execute";
    /// Memory that becomes executable after the start: code that the worker generates, and
    /// libraries that it loads.
    NewCode = "new-code";
    /// TCP.
    Tcp = "tcp";
    /// UDP, and all network families besides TCP and Unix domain sockets.
    Udp = "udp";
    /// Unix domain sockets with an abstract name.
    AbstractSockets = "abstract-sockets";
    /// Unix domain sockets at a path.
    PathSockets = "path-sockets";
    /// Signals to other processes, and changes of their priorities and limits.
    Signals = "signals";
    /// Access to the memory and descriptors of other processes.
    Ptrace = "ptrace";
    /// New processes. Threads are allowed.
    Processes = "processes";
    /// Address space above [`Sandbox::memory`](super::Sandbox::memory).
    Memory = "memory";
    /// Processor time above [`Sandbox::cpu_time`](super::Sandbox::cpu_time).
    CpuTime = "cpu-time";
    /// Descriptors above [`Sandbox::open_files`](super::Sandbox::open_files).
    OpenFiles = "open-files";
    /// Files above [`Sandbox::file_size`](super::Sandbox::file_size).
    FileSize = "file-size";
    /// Core dumps, which contain the memory of the worker.
    CoreDumps = "core-dumps";
    /// Privileges that a program gives, such as one with the set-user-ID bit.
    NewPrivileges = "new-privileges";
    /// Capabilities: the privileges of root, which a worker of a host that is root would have.
    Capabilities = "capabilities";
    /// New namespaces, mounts and roots.
    Namespaces = "namespaces";
    /// System calls that ordinary programs do not need, such as those of io_uring, bpf and keyrings,
    /// and those that are newer than this library.
    KernelSurface = "kernel-surface";
    /// Environment variables of the host.
    Environment = "environment";
}

impl fmt::Display for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Set of protections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProtectionSet(u32);

impl ProtectionSet {
    pub(crate) const EMPTY: Self = Self(0);

    pub(crate) fn of(protections: &[Protection]) -> Self {
        let mut set = Self::EMPTY;
        protections.iter().for_each(|&protection| set.insert(protection));
        set
    }

    pub(crate) const fn contains(self, protection: Protection) -> bool {
        self.0 & 1 << protection as u32 != 0
    }

    pub(crate) fn insert(&mut self, protection: Protection) {
        self.0 |= 1 << protection as u32;
    }

    pub(crate) fn remove(&mut self, protection: Protection) {
        self.0 &= !(1 << protection as u32);
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Protection> {
        Protection::ALL.iter().copied().filter(move |&protection| self.contains(protection))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_protection_is_found_by_its_name_and_fits_into_a_set() {
        let mut set = ProtectionSet::EMPTY;
        for &protection in Protection::ALL {
            assert_eq!(Protection::from_name(protection.name()), Some(protection));
            assert!(!set.contains(protection), "{protection}");
            set.insert(protection);
        }
        assert_eq!(set.iter().count(), Protection::ALL.len());
        assert!(Protection::ALL.len() < 32);
    }
}
