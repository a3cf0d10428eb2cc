//! Checks that a started process is confined, before its first call.

use isolated_workers_core::protocol::handshake::Terms;
use isolated_workers_core::{Error, ErrorKind, ExitReason};

use crate::driver::{Driver, Running, in_parentheses};
use crate::sandbox::{self, Report, Sandbox};

/// Compares the plan of the driver with what the worker announces, and with what the system shows.
/// Returns the report of the worker.
///
/// # Errors
/// `Sandbox` if the worker lacks a protection. It must be killed.
pub(super) fn confirm<D: Driver>(
    driver: &D,
    running: &D::Running,
    sandbox: Option<&Sandbox>,
    terms: &Terms,
) -> Result<Report, Error> {
    let is_attached = driver.token().is_some();
    let announced = terms.peer_sandbox.as_deref();
    let subject = || format!("the worker {}{}", driver.subject(), in_parentheses(running.pid()));
    let planned = running.sandbox();
    let Some(sandbox) = sandbox else {
        return Ok(if is_attached { sandbox::announced(announced) } else { Report::unconfined() });
    };
    if planned.is_none() && !is_attached {
        let text = format!(
            "could not confine {}: its driver cannot confine workers; use a `Program`, or remove `.sandbox(..)`",
            subject()
        );
        return Err(Error::new(ErrorKind::Sandbox, text));
    }
    let report = sandbox::confirm(sandbox, planned, announced, &subject())?;
    #[cfg(target_os = "linux")]
    if let Some(pid) = running.pid().into().filter(|_| !is_attached) {
        let verified = sandbox::verify(pid, sandbox.limits(), &report);
        verified.map_err(|cause| sandbox::unconfined(&subject(), &cause))?;
    }
    Ok(report)
}

/// Kind of the error of a process that has ended during its start.
pub(super) fn kind_of_exit(is_confined: bool, reason: Option<ExitReason>) -> ErrorKind {
    #[cfg(target_os = "linux")]
    if is_confined && reason == Some(ExitReason::Exited(sandbox::EXIT_CODE)) {
        return ErrorKind::Sandbox;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (is_confined, reason);
    ErrorKind::Startup
}
