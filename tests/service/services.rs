//! Services of these tests, each with its implementation.

pub(crate) mod gate;
pub(crate) mod ledger;
pub(crate) mod links;
pub(crate) mod names;
pub(crate) mod pictures;
pub(crate) mod shapes;
pub(crate) mod shop;
