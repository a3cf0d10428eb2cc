//! The command `iw`, as a process, with the example workers of this project.

#![cfg(unix)]

mod addresses;
mod bench;

mod book;
mod calls;
mod describe;
mod each;
mod failures;
mod records;
mod shell;
mod streams;
mod support;
mod types;
