//! The test bench of [`protocol::Connection`](crate::protocol::Connection): two of them, a virtual clock and a network
//! that the test holds in its hand.
//!
//! Behind the feature `testing`. A [`Pair`] is for a test that sets a scene by hand, such as a reply that crosses a
//! cancel on its way:
//!
//! ```
//! use isolated_workers_core::protocol::Event;
//! use isolated_workers_core::testing::{End, Pair};
//! use isolated_workers_core::{Body, Name, Request, Response};
//!
//! let mut pair = Pair::new(1);
//! let add = Request::new(Name::from_static("add"), Body::empty());
//! pair.call(End::Host, 7.into(), add, None, "my call")?;
//! pair.transmit(End::Host);
//! let Some(Event::Requested(_)) = pair.deliver(End::Worker)? else { panic!() };
//!
//! pair.answer(End::Worker, &7.into(), Ok(Response::default()));
//! pair.transmit(End::Worker);
//! assert_eq!(pair.cancel(End::Host, &7.into()), Some("my call"));
//!
//! // The reply finds nobody who waits for it, and the cancel nothing to stop.
//! assert!(pair.settle()?.is_empty());
//! assert_eq!(pair.connection(End::Host).in_flight(), 0);
//! # Ok::<(), isolated_workers_core::Error>(())
//! ```
//!
//! A [`Simulation`] plays a random scene, which its seed decides, and checks every step of it against the rules:
//!
//! ```
//! use isolated_workers_core::testing::simulate;
//!
//! for seed in 0..20 {
//!     simulate(seed);
//! }
//! ```
//!
//! The crate's own tests do so with some thousands of seeds; the environment variable `ISOLATED_WORKERS_SEEDS` says
//! how many (`1000000`) or which (`17..18`).

mod end;
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

pub use end::End;
pub use failure::SimulationFailure;
pub use pair::Pair;
pub use rng::Rng;
pub use simulation::{Simulation, simulate};
pub use summary::Summary;
