//! The checks of the fuzz targets, one module for each kind of input. `.ci/fuzz` runs the targets.

pub mod connection;
pub mod framing;
pub mod handshake;
pub mod values;
