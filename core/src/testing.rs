//! Test bench of [`protocol::Connection`](crate::protocol::Connection): two connections, a virtual
//! clock and a network that the test controls.
//!
//! Requires the feature `testing`. Use a [`Pair`] for a test with a scripted scenario, such as a
//! reply that crosses a cancel:
//!
//! ```
//! use isolated_workers_core::protocol::Event;
//! use isolated_workers_core::testing::{Endpoint, Pair};
//! use isolated_workers_core::{Body, Name, Request, Response};
//!
//! let mut pair = Pair::new(1);
//! let add = Request::new(Name::from_static("add"), Body::empty());
//! pair.call(Endpoint::Host, 7.into(), add, None, "my call")?;
//! pair.transmit(Endpoint::Host);
//! let Some(Event::Requested(_)) = pair.deliver(Endpoint::Worker)? else { panic!() };
//!
//! pair.answer(Endpoint::Worker, &7.into(), Ok(Response::default()));
//! pair.transmit(Endpoint::Worker);
//! assert_eq!(pair.cancel(Endpoint::Host, &7.into()), Some("my call"));
//!
//! // No call waits for the reply, and no request is left to cancel.
//! assert!(pair.settle()?.is_empty());
//! assert_eq!(pair.connection(Endpoint::Host).in_flight(), 0);
//! # Ok::<(), isolated_workers_core::Error>(())
//! ```
//!
//! A [`Simulation`] runs a random scenario determined by its seed. It checks every step against a
//! model of the protocol:
//!
//! ```
//! use isolated_workers_core::testing::simulate;
//!
//! for seed in 0..20 {
//!     simulate(seed);
//! }
//! ```
//!
//! The tests of this crate run several thousand seeds. The environment variable
//! `ISOLATED_WORKERS_SEEDS` sets their number (`1000000`) or range (`17..18`).

mod endpoint;
mod failure;
mod ids;
mod network;
mod oracle;
mod pair;
mod payload;
mod rng;
mod simulation;
mod summary;
mod trace;
mod world;

pub use endpoint::Endpoint;
pub use failure::SimulationFailure;
pub use pair::Pair;
pub use rng::Rng;
pub use simulation::{Simulation, simulate};
pub use summary::Summary;
