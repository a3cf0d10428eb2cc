use std::sync::mpsc::Sender;

use isolated_workers::service;

#[service]
trait Feed {
    async fn subscribe(&self, updates: Sender<String>);
}

fn main() {}
