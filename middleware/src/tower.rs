//! The way to the layers and services of the crate `tower`, and back.

mod layer;
mod service;

pub use self::layer::{Bottom, TowerLayer, TowerRequest, tower_layer};
pub use self::service::TowerService;
