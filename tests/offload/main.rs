//! `#[offload]`: functions that run in worker processes of their own program. Here, that is this
//! test program, or one of `programs`.

mod calls;
mod closures;
mod definitions;
mod failures;
mod programs;
