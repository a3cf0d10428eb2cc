//! The transports of Unix between real processes. Each process is this program with a role to play.
#![cfg(unix)]

mod descriptors;
mod every_transport;
mod roles;
#[cfg(target_os = "linux")]
mod stray_descriptors;
mod support;
mod unix_socket;
mod worker_socket;
