//! Rules for the structure of the source.

mod crates;
mod documents;
mod facade;
mod source;
