//! The service that our workers serve.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::{self, Stream};
use isolated_workers::codec::Postcard;
use isolated_workers::service;
use isolated_workers::service::{Context, Streaming};
use serde::{Deserialize, Serialize};

use crate::items::Items;

#[service]
pub trait Bench {
    async fn echo(&self, data: Bytes) -> Bytes;
    async fn describe(&self, record: Record) -> Record;
    /// Calls `echo` of its host this often, one call after the other.
    async fn call_back(&self, context: Context, calls: u32);
    /// Computes for `micros` microseconds.
    async fn compute(&self, micros: u32);
    /// Sends items.
    fn items(&self, items: Items) -> impl Stream<Item = Bytes>;
    /// Returns the number of items.
    async fn count(&self, items: Streaming<Bytes>) -> u32;
    /// Never returns.
    async fn wait(&self);
}

/// Ten fields of the types that messages usually have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "peers", derive(facet::Facet))]
pub struct Record {
    pub id: u64,
    pub name: String,
    pub city: String,
    pub is_active: bool,
    pub age: u8,
    pub balance: i64,
    pub rating: f64,
    pub tags: Vec<String>,
    pub referrer: Option<u64>,
    pub position: (f32, f32),
}

impl Record {
    pub fn example() -> Self {
        Self {
            id: 71_234_567,
            name: "Grace Hopper".to_owned(),
            city: "Arlington".to_owned(),
            is_active: true,
            age: 42,
            balance: -1_234_567,
            rating: 4.75,
            tags: vec!["navy".to_owned(), "compiler".to_owned()],
            referrer: Some(12),
            position: (38.88, -77.09),
        }
    }
}

pub struct BenchWorker;

impl Bench for BenchWorker {
    async fn echo(&self, data: Bytes) -> Bytes {
        data
    }
    async fn call_back(&self, context: Context, calls: u32) {
        let host = BenchClient::new(context.host::<Postcard>().expect("a host that serves"));
        for _ in 0..calls {
            host.echo(Bytes::from_static(&[7; 64])).await.expect("an echo");
        }
    }
    async fn describe(&self, record: Record) -> Record {
        record
    }
    async fn compute(&self, micros: u32) {
        compute(Duration::from_micros(micros.into()));
    }
    fn items(&self, items: Items) -> impl Stream<Item = Bytes> {
        stream::iter(items.iter())
    }
    async fn count(&self, mut items: Streaming<Bytes>) -> u32 {
        let mut count = 0;
        while let Some(item) = items.next().await {
            item.expect("a stream that ends with its last item");
            count += 1;
        }
        count
    }
    async fn wait(&self) {
        std::future::pending().await
    }
}

/// Keeps a core busy for this time.
pub fn compute(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        std::hint::spin_loop();
    }
}
