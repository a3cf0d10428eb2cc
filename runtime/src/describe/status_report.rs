//! Document that says what a worker is doing.

use std::collections::BTreeMap;

use isolated_workers_core::{Error, ErrorKind};
use serde::{Deserialize, Serialize};

/// State of a worker. Its calls are counted by the name of their method. The name of a method of
/// another service than the default follows the name of its service and a dot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StatusReport {
    /// Time since the worker began to serve, in milliseconds.
    pub uptime_ms: u64,
    /// Process id of the worker.
    pub pid: u32,
    /// Numbers of calls whose handlers run or that stream items. Methods without one are left out.
    #[serde(default)]
    pub in_flight: BTreeMap<String, u64>,
    /// Numbers of calls that were answered without an error.
    #[serde(default)]
    pub done: BTreeMap<String, u64>,
    /// Numbers of calls that were answered with an error, or that panicked.
    #[serde(default)]
    pub errors: BTreeMap<String, u64>,
    /// Times of the answered calls.
    #[serde(default)]
    pub latency_us: BTreeMap<String, LatencyReport>,
    /// Physical memory of the worker's process in bytes. `None` if it is not known.
    #[serde(default)]
    pub resident_bytes: Option<u64>,
    /// Text of the last error of a handler, of up to 1 KiB. `None` if there was none.
    #[serde(default)]
    pub last_error: Option<String>,
    /// Protections that confine the worker, as it announces them. `None` if it is not confined.
    #[serde(default)]
    pub sandbox: Option<String>,
}

/// Percentiles of the time from the start of a handler to its answer, in microseconds. Each is
/// rounded up, by 12.5 % at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LatencyReport {
    /// Time that half of the calls do not exceed.
    pub p50: u64,
    /// Time that 99 of 100 calls do not exceed.
    pub p99: u64,
}

impl StatusReport {
    /// Reads a report.
    ///
    /// # Errors
    /// `Decode` if the text is no report.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|error| {
            let remedy = "check that the worker answers the reserved service as docs/wire.md says";
            Error::new(ErrorKind::Decode, format!("could not read the status of a worker: {error}; {remedy}"))
        })
    }

    /// Returns the JSON document, indented.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report holds only strings and numbers")
    }
}
