//! Confinement of worker processes: a [`Sandbox`] says what a worker may do, and a [`Report`] what
//! confines it.
//!
//! The host plans the protections, passes a policy to the process, and starts it. The process
//! confines itself before its `main`, and announces what it has set up in the handshake.
//! The host compares that with its plan, and looks at the process from outside before the first
//! call. A process that fails one of these steps is ended.

mod announcement;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;
mod plan;
mod policy;
mod protection;
mod report;

use isolated_workers_core::Error;

#[cfg(target_os = "linux")]
use self::linux as system;
#[cfg(target_os = "linux")]
#[doc(hidden)]
pub use self::linux::check_policy_text;
#[cfg(target_os = "linux")]
pub(crate) use self::linux::{EXIT_CODE, VARIABLE, announcement, find_program, policy, refused_call, verify};
#[cfg(not(target_os = "linux"))]
use self::other as system;
#[cfg(target_os = "linux")]
pub(crate) use self::plan::unconfined;
pub(crate) use self::plan::{announced, confirm};
pub(crate) use self::policy::Limits;
pub use self::policy::Sandbox;
pub use self::protection::Protection;
pub use self::report::{ProtectionState, Report, Row};

/// Way in which a process is confined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// The program of the host, which confines itself before its `main`.
    Own,
    /// Another program, which a launcher executes: the program of the host, already confined.
    Launched,
}

impl Sandbox {
    /// Returns the report of a worker that is the program of this process, without starting it.
    ///
    /// # Errors
    /// `Sandbox` if a protection that this sandbox asks for cannot be had.
    pub fn check(&self) -> Result<Report, Error> {
        self.planned(Way::Own, "a worker")
    }

    /// Plans the protections of a worker, and checks that it has those that must be had.
    ///
    /// # Errors
    /// `Sandbox`, which names what is missing.
    pub(crate) fn planned(&self, way: Way, subject: &str) -> Result<Report, Error> {
        let report = system::plan(self, way);
        plan::check(self, &report, subject)?;
        Ok(report)
    }

    /// Limits of the process.
    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }
}
