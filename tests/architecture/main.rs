//! Rules for the structure of the source.

mod comments;
mod crates;
mod documents;
mod executed;
mod facade;
mod modules;
mod source;
mod type_names;
