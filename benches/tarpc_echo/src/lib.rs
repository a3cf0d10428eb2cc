//! A crate of its own, because what tarpc's macro writes does not compile in one that has smallvec 2 among its dependencies,
//! which vox brings along.

use bytes::Bytes;

#[tarpc::service]
pub trait Echo {
    async fn echo(data: Bytes) -> Bytes;
}
