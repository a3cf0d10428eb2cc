use std::error::Error;
use std::io;

use isolated_workers::service;

#[service]
trait Files {
    async fn open(&self) -> Result<u8, io::Error>;
    async fn read(&self) -> Result<u8, Box<dyn Error + Send + Sync>>;
    async fn close(&self) -> Result<(), ()>;
}

fn main() {}
