//! `#[isolated_workers::test]`: tests whose worker is this test program.

mod arguments;
mod harness;
mod probe;
