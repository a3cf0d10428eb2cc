use std::fs::File;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use isolated_workers::service;

#[service]
trait Local {
    async fn callback(&self, f: Box<dyn Fn(u8) -> u8 + Send>);
    async fn function(&self, f: fn(u8) -> u8);
    async fn join(&self, thread: JoinHandle<()>);
    async fn read(&self, file: File) -> Instant;
    async fn shared(&self, value: Rc<u8>);
    async fn locked(&self) -> Arc<Mutex<File>>;
}

fn main() {}
