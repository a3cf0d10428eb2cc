//! The measurements, one file for each argument of the command line.

pub mod all;
pub mod blocking;
pub mod bodies;
pub mod calls;
pub mod codecs;
pub mod compare;
pub mod failures;
pub mod flavors;
pub mod growth;
pub mod idle;
pub mod latency;
pub mod layers;
pub mod memory;
pub mod peers;
pub mod pool;
pub mod profile;
pub mod quick;
pub mod round_trips;
pub mod sandbox;
pub mod starts;
pub mod streams;
