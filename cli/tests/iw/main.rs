//! The command `iw`, as a process, with the example workers of this project.

mod addresses;
mod bench;

mod calls;
mod each;
mod failures;
mod records;
mod streams;
mod support;
