use std::os::unix::net::UnixStream;
use std::process::Child;
use std::sync::Mutex;
use std::time::Instant;

use bytes::Bytes;

use super::raw_std::{self, put, take};
use crate::contestant::{Contestant, Streams};
use crate::flavor::Flavor;
use crate::items::Items;

/// The lower bound of streams: a request, and then the items as lengths and bytes. One process
/// writes and the other reads, blocking, one stream at a time.
pub struct RawStdStreams {
    stream: Mutex<UnixStream>,
    child: Child,
}

impl RawStdStreams {
    pub const CHILD: &str = "raw-std-streams";

    fn request(&self, request: &Request) -> std::sync::MutexGuard<'_, UnixStream> {
        let mut stream = self.stream.lock().expect("no panic");
        put(&mut stream, &postcard::to_allocvec(request).expect("postcard encodes every request"))
            .expect("the child reads");
        stream
    }
}

#[derive(serde::Serialize, serde::Deserialize)]
enum Request {
    Echo,
    Receive(Items),
    Send(Items),
}

impl Contestant for RawStdStreams {
    async fn start(flavor: Flavor) -> Self {
        let (own, child) = raw_std::spawn(Self::CHILD, flavor);
        Self { stream: Mutex::new(own), child }
    }

    async fn echo(&self, data: Bytes) -> Bytes {
        let mut stream = self.request(&Request::Echo);
        put(&mut stream, &data).expect("the child reads");
        take(&mut stream).expect("the child answers").into()
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }

    async fn stop(self) {
        let Self { stream, mut child } = self;
        drop(stream);
        child.wait().expect("it ends with its stream");
    }
}

impl Streams for RawStdStreams {
    async fn receive(&self, items: Items) -> Instant {
        let mut stream = self.request(&Request::Receive(items));
        take(&mut stream).expect("an item");
        let first = Instant::now();
        for _ in 1..items.count {
            take(&mut stream).expect("an item");
        }
        first
    }

    async fn send(&self, items: Items) {
        let mut stream = self.request(&Request::Send(items));
        for item in items.iter() {
            put(&mut stream, &item).expect("the child reads");
        }
        take(&mut stream).expect("the child confirms");
    }

    async fn call_back(&self, _: u32) {
        panic!("it has no callbacks")
    }
}

pub fn serve() {
    let mut stream = raw_std::stream();
    while let Ok(request) = take(&mut stream) {
        let request = postcard::from_bytes(&request).expect("a request");
        answer(&mut stream, request).expect("the host reads");
    }
}

fn answer(stream: &mut UnixStream, request: Request) -> std::io::Result<()> {
    match request {
        Request::Echo => {
            let data = take(stream)?;
            put(stream, &data)
        }
        Request::Receive(items) => items.iter().try_for_each(|item| put(stream, &item)),
        Request::Send(items) => {
            for _ in 0..items.count {
                take(stream)?;
            }
            put(stream, b"")
        }
    }
}
