use std::time::Duration;

use bytes::Bytes;
use isolated_workers::service;

use crate::pool;

#[service]
pub trait Work {
    async fn echo(&self, data: Bytes) -> Bytes;
    /// Computes for so many microseconds.
    async fn compute(&self, micros: u32);
    /// Is answered by nobody.
    async fn wait(&self);
}

pub struct Worker;

impl Work for Worker {
    async fn echo(&self, data: Bytes) -> Bytes {
        data
    }
    async fn compute(&self, micros: u32) {
        pool::compute(Duration::from_micros(micros.into()));
    }
    async fn wait(&self) {
        std::future::pending().await
    }
}
