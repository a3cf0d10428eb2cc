//! Library with offloaded functions. A program that depends on it finds them.
#![forbid(unsafe_code)]

pub mod numbers;
