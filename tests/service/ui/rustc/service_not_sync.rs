use std::cell::Cell;

use isolated_workers::service;

#[service]
trait Counter {
    async fn count(&self) -> u64;
}

struct MyCounter {
    count: Cell<u64>,
}

impl Counter for MyCounter {
    async fn count(&self) -> u64 {
        self.count.replace(self.count.get() + 1)
    }
}

fn main() {}
