//! A fleet against a real server, which each test starts on loopback.

#[path = "../../support/server.rs"]
mod server;

mod calls;
mod deaths;
mod discovery;
mod drain;
mod full;
mod hostile;
mod keys;
mod machine_process;
mod pools;
mod proof;
mod servers;
mod work;
