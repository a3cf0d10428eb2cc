//! A fleet of machines behind the typed clients of [`isolated_workers`], over NATS.
//!
//! Each machine offers a [`Service`], such as a pool of workers, with [`serve`].
//! Callers use the fleet as a service of the same kind: [`Remote`]. Stub, handler and middleware
//! stay the same.
//!
//! ```no_run
//! use isolated_workers::prelude::*;
//! use isolated_workers_nats as nats;
//!
//! #[service]
//! trait Indexer {
//!     #[message(idempotent)]
//!     async fn count(&self, page: String) -> u64;
//! }
//!
//! /// On each machine.
//! async fn machine(client: nats::async_nats::Client) -> Result<(), Error> {
//!     let pool = Pool::builder(Program::new("./indexer")).workers(8).spawn().await?;
//!     let machine = nats::serve(pool, client, "indexer").service(indexer::SCHEMA).max_in_flight(8).await?;
//!     let _ = tokio::signal::ctrl_c().await;
//!     machine.drain().await;
//!     Ok(())
//! }
//!
//! /// Anywhere.
//! async fn caller(client: nats::async_nats::Client) -> Result<(), Error> {
//!     let indexer = IndexerClient::new(nats::Remote::connect(client, "indexer").await?);
//!     println!("{} words", indexer.count("one two".into()).await?);
//!     Ok(())
//! }
//! ```
//!
//! The NATS client is made by the program, with the addresses, credentials and TLS settings of
//! [`async_nats::ConnectOptions`].
//!
//! # Guarantees
//!
//! - A call is run at most once, unless a layer such as [`Retry`](isolated_workers::layer::Retry)
//!   calls again.
//! - If no machine serves, the error comes at once, and
//!   [`executed`](isolated_workers::Error::executed) is `No`.
//! - If a machine dies or is cut off, its callers know within 3 s, and `executed` is `Maybe`.
//! - A machine that is full gets no more calls.
//! - A machine that drains takes leave without a failed call.
//! - Machines and callers with different definitions or codecs do not meet: their subjects differ.
//!
//! # Limits
//!
//! Methods with streams are refused before anything is sent. Handlers cannot call back to a fleet's
//! caller: [`Context::host`](isolated_workers::service::Context::host) is an error there. A body
//! must fit into a message of the server (`max_payload`, 1 MiB by default).

#[cfg(doctest)]
#[doc = include_str!("../../docs/guides/fleet.md")]
mod guide {}

mod error_headers;
mod errors;
mod headers;
mod machine;
mod remote;
mod serve;
mod subject;

pub use async_nats;
use async_nats::Client;
use isolated_workers::Service;

pub use self::machine::Machine;
pub use self::remote::{Keyed, Remote, RemoteBuilder};
pub use self::serve::Serve;

/// Offers `service` to the callers of the fleet `fleet`. Returns a builder, which starts when it is
/// awaited.
///
/// Crashes, retries, recycling and the sandbox of a pool stay on its machine. Add each service that
/// it answers with [`Serve::service`].
pub fn serve<S: Service + 'static>(service: S, client: Client, fleet: impl Into<String>) -> Serve<S> {
    Serve::new(service, client, fleet.into())
}
