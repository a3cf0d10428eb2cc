//! Properties of `InMemory`, whose worker is a thread of this process.

use std::io::ErrorKind;

use isolated_workers_transport::{Bound, Channel, InMemory, InMemoryReader, InMemoryWriter, Transport};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

type MemoryChannel = Channel<InMemoryReader, InMemoryWriter>;

async fn pair() -> (MemoryChannel, MemoryChannel) {
    let mut bound = InMemory.bind().unwrap();
    let end = bound.inheritance().local.unwrap();
    (bound.establish().await.unwrap(), InMemory.adopt(end).await.unwrap())
}

#[test]
fn a_worker_on_a_thread_echoes_8_mib() {
    let mut bound = InMemory.bind().unwrap();
    let end = bound.inheritance().local.unwrap();
    let worker = std::thread::spawn(move || {
        runtime().block_on(async {
            let Channel { mut reader, mut writer, .. } = InMemory.adopt(end).await.unwrap();
            copy(&mut reader, &mut writer).await.unwrap();
        });
    });
    let body: Vec<u8> = (0..8 << 20).map(|index: u32| (index % 251) as u8).collect();
    let received = runtime().block_on(async {
        let Channel { mut reader, mut writer, .. } = bound.establish().await.unwrap();
        let mut received = Vec::new();
        let write = async {
            writer.write_all(&body).await.unwrap();
            writer.shutdown().await.unwrap();
        };
        let ((), read) = tokio::join!(write, reader.read_to_end(&mut received));
        read.unwrap();
        received
    });
    assert!(received == body);
    worker.join().unwrap();
}

#[test]
fn dropping_one_end_ends_the_other() {
    runtime().block_on(async {
        let (mut host, worker) = pair().await;
        drop(worker);
        assert_eq!(host.reader.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(host.writer.write(b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_direction_can_be_closed_alone() {
    runtime().block_on(async {
        let (mut host, mut worker) = pair().await;
        drop(host.writer);
        assert_eq!(worker.reader.read(&mut [0]).await.unwrap(), 0);
        worker.writer.write_all(b"still here").await.unwrap();
        let mut received = [0; 10];
        host.reader.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"still here");
    });
}

#[test]
fn a_worker_that_panics_before_adopting_ends_the_stream() {
    let mut bound = InMemory.bind().unwrap();
    let end = bound.inheritance().local;
    let worker = std::thread::spawn(move || {
        let _end = end;
        std::panic::resume_unwind(Box::new("on purpose"));
    });
    assert!(worker.join().is_err());
    runtime().block_on(async {
        let mut host = bound.establish().await.unwrap();
        assert_eq!(host.reader.read(&mut [0]).await.unwrap(), 0);
    });
}

#[test]
fn attaching_and_adopting_a_foreign_end_are_refused() {
    runtime().block_on(async {
        assert!(!InMemory.is_inherited(""));
        assert_eq!(InMemory.attach("").await.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(InMemory.adopt(Box::new(5)).await.unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}
