//! Descriptions of workers: what a worker can do, and what it is doing.
//!
//! A worker that announces the feature `describe` answers a reserved service of the name `iw`,
//! besides its own services. A worker announces it in a debug build, and in a release build if
//! [`Serve::describe`](crate::Serve::describe) says so.

mod call_counters;
#[cfg(feature = "schema")]
mod compare;
mod description;
mod document;
mod histogram;
#[cfg(feature = "schema")]
mod lock;
mod messages;
mod open_rpc;
mod own_description;
mod status_report;

use isolated_workers_core::{CallError, Error};
use isolated_workers_middleware::{Service, ServiceExt};

#[cfg(feature = "schema")]
pub use self::compare::{Comparison, Compatibility, Difference};
pub use self::description::{
    DescribedArgument, DescribedLimits, DescribedMethod, DescribedService, Description,
};
pub use self::messages::{AskStatus, Describe, Ping};
pub(crate) use self::own_description::{DescribedHandler, OwnDescription, WorkerFacts};
pub use self::status_report::{LatencyReport, StatusReport};

/// Asks the callee behind `service` what it can do. `service` is a worker, a pool, or either of
/// them with layers. A pool answers with one of its workers.
///
/// # Errors
/// `Unsupported` if the worker does not announce `describe`, `Decode` if its answer is no
/// description, and the errors of a call.
pub async fn describe(service: &impl Service) -> Result<Description, Error> {
    let text = service.send(Describe).await.map_err(failed)?;
    Description::from_json(&text)
}

/// Asks the callee behind `service` what it is doing.
///
/// # Errors
/// The errors of [`describe`].
pub async fn status(service: &impl Service) -> Result<StatusReport, Error> {
    let text = service.send(AskStatus).await.map_err(failed)?;
    StatusReport::from_json(&text)
}

/// Asks the callee behind `service` for an answer, which shows that its handlers run.
///
/// # Errors
/// `Unsupported` if the worker does not announce `describe`, and the errors of a call.
pub async fn ping(service: &impl Service) -> Result<(), Error> {
    service.send(Ping).await.map_err(failed)
}

fn failed(error: CallError<isolated_workers_core::Never>) -> Error {
    error.into()
}
