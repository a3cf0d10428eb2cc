//! The transports of Unix between real processes, which are this program again with a role to play.
#![cfg(unix)]

mod child;
mod every;
mod support;
mod unix_socket;
mod worker_socket;
