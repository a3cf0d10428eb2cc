//! Descriptions that are committed, so that a change of a service is noticed.

use std::path::Path;

use isolated_workers_core::{Error, ErrorKind};

use super::compare::Comparison;
use super::description::Description;

/// Variable that makes a check accept all differences.
const ACCEPT: &str = "ISOLATED_WORKERS_LOCK";

impl Description {
    /// Checks that the services are those of a committed file, in a test of the program. `codec` is
    /// the name of the codec for which [`compare`](Self::compare) says what a difference breaks.
    ///
    /// With the environment variable `ISOLATED_WORKERS_LOCK=write`, the file is written instead. It
    /// holds the services and the definitions of their types only.
    ///
    /// ```no_run
    /// # use isolated_workers_core::Error;
    /// # use isolated_workers_middleware::Handler;
    /// # use isolated_workers_runtime::describe::Description;
    /// fn the_service_is_the_committed_one<CalculatorService: Handler>() -> Result<(), Error> {
    ///     Description::of::<CalculatorService>().check_lock("service.json", "json")
    /// }
    /// ```
    ///
    /// # Errors
    /// `Invalid` if there is a difference, `Config` if the file cannot be read or written.
    pub fn check_lock(&self, path: impl AsRef<Path>, codec: &str) -> Result<(), Error> {
        let path = path.as_ref();
        if std::env::var_os(ACCEPT).is_some_and(|value| value == "write") {
            return self.write_lock(path);
        }
        let text = std::fs::read_to_string(path).map_err(|cause| {
            let remedy = format!("set {ACCEPT}=write for one run to create it");
            Error::new(ErrorKind::Config, format!("could not read {}: {cause}; {remedy}", path.display()))
        })?;
        let Comparison { differences, .. } = &Self::compare(&Self::from_json(&text)?, self, codec);
        if differences.is_empty() {
            return Ok(());
        }
        let list: Vec<String> = differences.iter().map(|difference| format!("\n  {difference}")).collect();
        let text = format!(
            "could not accept the services: they differ from {}; undo these changes, or set {ACCEPT}=write for one run \
             to accept them:{}",
            path.display(),
            list.concat()
        );
        Err(Error::new(ErrorKind::Invalid, text))
    }

    /// Writes the file for [`check_lock`](Self::check_lock).
    ///
    /// # Errors
    /// `Config` if the file cannot be written.
    pub fn write_lock(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let locked = Self {
            protocol: self.protocol,
            services: self.services.clone(),
            definitions: self.definitions.clone(),
            ..Self::default()
        };
        std::fs::write(path, locked.to_json() + "\n").map_err(|cause| {
            let remedy = "check that its folder exists and may be written";
            Error::new(ErrorKind::Config, format!("could not write {}: {cause}; {remedy}", path.display()))
        })
    }
}
