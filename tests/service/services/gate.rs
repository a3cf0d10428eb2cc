//! Service whose calls wait for other calls.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use isolated_workers::service;
use tokio::sync::Notify;

#[service]
pub(crate) trait Gate {
    /// Returns `number` when `open` was called with it, before or after this call.
    async fn pass(&self, number: u32) -> u32;
    async fn open(&self, number: u32);
}

#[derive(Default)]
pub(crate) struct Gates(Mutex<HashMap<u32, Arc<Notify>>>);

impl Gates {
    fn gate(&self, number: u32) -> Arc<Notify> {
        self.0.lock().unwrap().entry(number).or_default().clone()
    }
}

impl Gate for Gates {
    async fn pass(&self, number: u32) -> u32 {
        self.gate(number).notified().await;
        number
    }
    async fn open(&self, number: u32) {
        self.gate(number).notify_one();
    }
}
