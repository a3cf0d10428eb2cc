use std::time::Instant;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The items of a stream: `count` items of `bytes` bytes each.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "peers", derive(facet::Facet))]
pub struct Items {
    pub count: u32,
    pub bytes: u32,
}

impl Items {
    /// A tenth of the items, at least one, to warm up.
    pub fn tenth(self) -> Self {
        Self { count: self.count.div_ceil(10), ..self }
    }

    /// Returns the items. All of them share one buffer, so that making one costs nothing.
    pub fn iter(self) -> impl Iterator<Item = Bytes> + Send + 'static {
        let item = Bytes::from(vec![7; self.bytes as usize]);
        (0..self.count).map(move |_| item.clone())
    }

    /// Takes items until `next` returns `false`. Returns the time of the first one.
    pub async fn take_all(self, mut next: impl AsyncFnMut() -> bool) -> Instant {
        assert!(next().await, "a first item arrives");
        let first = Instant::now();
        let mut taken = 1;
        while next().await {
            taken += 1;
        }
        self.assert_all(taken);
        first
    }

    /// Panics unless `taken` items arrived: incomplete streams cannot be compared.
    pub fn assert_all(self, taken: u32) {
        assert_eq!(taken, self.count, "every item arrives");
    }
}
