use bytes::Bytes;

use crate::contestant::{Contestant, Describe};
use crate::flavor::Flavor;
use crate::service::Record;

/// A contestant with a record of ten fields instead of bytes.
pub struct Records<C>(C);

impl<C: Describe> Contestant for Records<C> {
    fn block_on<F: Future>(runtime: &tokio::runtime::Runtime, future: F) -> F::Output {
        C::block_on(runtime, future)
    }

    async fn start(flavor: Flavor) -> Self {
        Self(C::start(flavor).await)
    }

    async fn echo(&self, data: Bytes) -> Bytes {
        let record = Record::example();
        let id = record.id;
        assert_eq!(self.0.describe(record).await.id, id, "the record comes back");
        data
    }

    fn pid(&self) -> u32 {
        self.0.pid()
    }

    async fn stop(self) {
        self.0.stop().await;
    }
}
