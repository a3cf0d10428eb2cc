use bytes::Bytes;

use super::{CodecChoice, Stack};
use crate::contestant::Contestant;
use crate::flavor::Flavor;
use crate::service::Record;

/// Our stack with a record of ten fields instead of bytes.
pub struct Records<C: CodecChoice>(Stack<C>);

impl<C: CodecChoice> Contestant for Records<C> {
    async fn start(flavor: Flavor) -> Self {
        Self(Stack::start(flavor).await)
    }

    async fn echo(&self, data: Bytes) -> Bytes {
        let record = self.0.client.describe(Record::example()).await.expect("a record");
        assert_eq!(record.id, Record::ID, "the record comes back");
        data
    }

    fn pid(&self) -> u32 {
        self.0.pid()
    }

    async fn stop(self) {
        self.0.stop().await;
    }
}
