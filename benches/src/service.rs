use bytes::Bytes;
use isolated_workers::service;

#[service]
pub trait Work {
    async fn echo(&self, data: Bytes) -> Bytes;
    /// Is answered by nobody.
    async fn wait(&self);
}

pub struct Worker;

impl Work for Worker {
    async fn echo(&self, data: Bytes) -> Bytes {
        data
    }
    async fn wait(&self) {
        std::future::pending().await
    }
}
