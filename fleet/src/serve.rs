use std::fmt;

use async_nats::Client;
use isolated_workers::codec::Codec;
use isolated_workers::protocol::Schema;
use isolated_workers::{Error, ErrorKind, Service};

/// Configuration of a machine. Await it to serve. Made by [`serve`](crate::serve).
#[must_use = "await the builder to serve"]
pub struct Serve<S> {
    pub(crate) service: S,
    pub(crate) client: Client,
    pub(crate) fleet: String,
    pub(crate) schemas: Vec<Schema>,
    pub(crate) max_in_flight: usize,
    pub(crate) version: String,
    pub(crate) description: String,
}

impl<S: Service + 'static> Serve<S> {
    pub(crate) fn new(service: S, client: Client, fleet: String) -> Self {
        let max_in_flight = std::thread::available_parallelism().map_or(2, |threads| 2 * threads.get());
        let (schemas, version, description) = (Vec::new(), "0.0.0".to_owned(), String::new());
        Self { service, client, fleet, schemas, max_in_flight, version, description }
    }

    /// Adds a service that `service` answers: the constant `SCHEMA` that `#[service]` generates. At
    /// least one is required.
    pub fn service(mut self, schema: Schema) -> Self {
        self.schemas.push(schema);
        self
    }

    /// Sets the number of calls that the machine takes at once. For a pool, use the number of its
    /// workers: a call beyond that would wait here while another machine may be idle. Default: two
    /// for each hardware thread.
    pub fn max_in_flight(mut self, calls: usize) -> Self {
        self.max_in_flight = calls;
        self
    }

    /// Sets the version that discovery reports, in the format of semantic versions. Default:
    /// `0.0.0`.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.version = version.into();
        self
    }

    /// Sets the text that discovery reports. Default: none.
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = text.into();
        self
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = if self.schemas.is_empty() {
            "it has no service; add the `SCHEMA` of each with `Serve::service`"
        } else if self.max_in_flight == 0 {
            "it takes no calls; set `Serve::max_in_flight` to 1 or more"
        } else {
            return Ok(());
        };
        let text = format!("could not serve the fleet `{}`: {wrong}", self.fleet);
        Err(Error::new(ErrorKind::Config, text))
    }
}

impl<S: Service> fmt::Debug for Serve<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("fleet", &self.fleet)
            .field("codec", &S::Codec::ID)
            .field("schemas", &self.schemas)
            .finish_non_exhaustive()
    }
}
