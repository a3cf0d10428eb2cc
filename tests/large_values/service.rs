//! Implementation of the service, for all programs.

use futures_util::{TryStreamExt, stream};
use isolated_workers::service::Streaming;

use crate::numbers::{FEW, Gate, Gated, Numbers};

#[derive(Clone, Default)]
pub(crate) struct Handler {
    gate: Gate,
}

impl Handler {
    fn numbers(&self, len: usize) -> Numbers {
        if len > FEW { Numbers::behind(len, &self.gate) } else { Numbers::new(len) }
    }
}

impl Gated for Handler {
    async fn reply(&self, len: usize) -> Numbers {
        self.numbers(len)
    }

    async fn fail(&self, len: usize) -> Result<(), Numbers> {
        Err(self.numbers(len))
    }

    fn items(
        &self,
        lens: Vec<usize>,
        error: usize,
    ) -> impl futures_util::Stream<Item = Result<Numbers, Numbers>> {
        let items = lens.into_iter().map(|len| Ok(self.numbers(len)));
        let error = (error > 0).then(|| Err(self.numbers(error)));
        stream::iter(items.chain(error).collect::<Vec<_>>())
    }

    async fn take(&self, numbers: Numbers) -> usize {
        numbers.len
    }

    async fn take_text(&self, text: String, _numbers: Numbers) -> usize {
        text.len()
    }

    async fn take_items(&self, items: Streaming<Numbers>) -> Result<Vec<usize>, String> {
        items.map_ok(|item| item.len).try_collect().await.map_err(|error| error.to_string())
    }

    async fn open(&self) {
        self.gate.open();
    }
}
