//! Many calls at once on one connection whose two sides both serve.

use std::any::Any;
use std::future::IntoFuture;
use std::io;

use bytes::Bytes;
use futures_util::future::{join_all, try_join_all};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use isolated_workers::codec::Postcard;
use isolated_workers::driver::Thread;
use isolated_workers::prelude::*;
use isolated_workers::serve;
use isolated_workers::service::streaming::{produce, try_items};
use isolated_workers::service::{Context, HostService, Streaming};
use isolated_workers::transport::{Bound, Channel, Inheritance, Transport};
use isolated_workers_test_support::{count_from_env, soon};
use tokio::io::{DuplexStream, duplex};

/// Service of the host.
#[service]
trait Mirror {
    async fn echo(&self, bytes: Bytes) -> Bytes;
    fn double(&self, numbers: Streaming<u64>) -> impl Stream<Item = u64>;
}

/// Service of the worker.
#[service]
trait Hall {
    /// Sends `count` callbacks of `bytes` at once.
    async fn echo_many(&self, context: Context, count: u8, bytes: usize) -> Result<(), String>;
    /// Passes the numbers to the host, and its answers back to it.
    fn double(&self, context: Context, numbers: Streaming<u64>) -> impl Stream<Item = Result<u64, String>>;
}

struct MyMirror;

impl Mirror for MyMirror {
    async fn echo(&self, bytes: Bytes) -> Bytes {
        bytes
    }

    fn double(&self, numbers: Streaming<u64>) -> impl Stream<Item = u64> {
        numbers.map(|number| 2 * number.expect("the worker sends all numbers"))
    }
}

struct MyHall;

impl Hall for MyHall {
    async fn echo_many(&self, context: Context, count: u8, bytes: usize) -> Result<(), String> {
        let mirror = mirror(&context)?;
        let echoes = (0..count).map(async |number| {
            let sent = Bytes::from(vec![number; bytes]);
            let echo = mirror.echo(sent.clone()).await.map_err(|error| error.to_string())?;
            if echo == sent { Ok(()) } else { Err(format!("echo {number} differs")) }
        });
        try_join_all(echoes).await.map(drop)
    }

    fn double(&self, context: Context, numbers: Streaming<u64>) -> impl Stream<Item = Result<u64, String>> {
        produce(async move |mut out| {
            let mirror = mirror(&context)?;
            let mut doubled = mirror.double(try_items(numbers));
            while let Some(number) = doubled.next().await {
                let number = number.map_err(|error| error.to_string())?;
                out.send(number).await.map_err(|closed| closed.to_string())?;
            }
            Ok(())
        })
    }
}

fn mirror(context: &Context) -> Result<MirrorClient<HostService<Postcard>>, String> {
    context.host().map(MirrorClient::new).map_err(|error| error.to_string())
}

/// Buffers of 4 KiB in each direction.
#[derive(Clone, Copy, Debug)]
struct Narrow;

const BUFFER_BYTES: usize = 4 << 10;

type NarrowChannel = Channel<DuplexStream, DuplexStream>;

struct NarrowBound {
    host: NarrowChannel,
    worker: Option<NarrowChannel>,
}

impl Transport for Narrow {
    const NAME: &'static str = "narrow";
    type Reader = DuplexStream;
    type Writer = DuplexStream;
    type Bound = NarrowBound;

    fn bind(&self) -> io::Result<NarrowBound> {
        let (host_writer, worker_reader) = duplex(BUFFER_BYTES);
        let (worker_writer, host_reader) = duplex(BUFFER_BYTES);
        let worker = Some(Channel::new(worker_reader, worker_writer));
        Ok(NarrowBound { host: Channel::new(host_reader, host_writer), worker })
    }

    fn is_inherited(&self, _: &str) -> bool {
        false
    }

    async fn attach(&self, _: &str) -> io::Result<NarrowChannel> {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn adopt(&self, end: Box<dyn Any + Send>) -> io::Result<NarrowChannel> {
        Ok(*end.downcast().expect("the end is of this transport"))
    }
}

impl Bound for NarrowBound {
    type Reader = DuplexStream;
    type Writer = DuplexStream;

    fn inheritance(&mut self) -> Inheritance {
        Inheritance::new("").local(self.worker.take().expect("the end is taken once"))
    }

    async fn establish(self) -> io::Result<NarrowChannel> {
        Ok(self.host)
    }
}

async fn started<T: Transport>(transport: T) -> HallClient<impl Service> {
    let served = transport.clone();
    let worker = Thread::new(move || {
        serve(MyHall.into_service()).codec(Postcard).transport(served.clone()).into_future()
    });
    let worker = Worker::builder(worker).codec(Postcard).transport(transport).serve(MyMirror.into_service());
    HallClient::new(soon(worker.spawn()).await.unwrap())
}

/// Size of a callback and of its answer, in bytes. Set by `ISOLATED_WORKERS_CALLBACK_BYTES`.
fn callback_bytes() -> usize {
    count_from_env("ISOLATED_WORKERS_CALLBACK_BYTES", 128 << 10)
}

#[tokio::test]
async fn many_calls_with_large_callbacks_in_both_directions_all_end() {
    let hall = started(isolated_workers::transport::InMemory).await;
    let calls = join_all((0..256).map(|_| hall.echo_many(8, callback_bytes())));
    for result in soon(calls).await {
        result.unwrap();
    }
}

/// Streams in all four directions, with calls and callbacks, over buffers that hold a few items.
#[tokio::test]
async fn streams_of_calls_and_callbacks_go_on_over_small_buffers() {
    const NUMBERS: u64 = 2_000;
    let hall = started(Narrow).await;
    let doubled = join_all((0..16).map(|_| hall.double(stream::iter(0..NUMBERS)).try_collect::<Vec<_>>()));
    let echoes = join_all((0..16).map(|_| hall.echo_many(4, 64 << 10)));
    let (doubled, echoes) = soon(async { tokio::join!(doubled, echoes) }).await;
    for numbers in doubled {
        assert!(numbers.unwrap().into_iter().eq((0..NUMBERS).map(|number| 2 * number)));
    }
    for echo in echoes {
        echo.unwrap();
    }
}
