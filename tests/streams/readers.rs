//! Bytes of files through streams, between two processes.

use std::io;

use bytes::Bytes;
use futures_util::FutureExt;
use isolated_workers::error::Executed;
use isolated_workers::service::StreamingReply;
use isolated_workers::service::streaming::{produce, try_items};
use isolated_workers::{CallError, Error, ErrorKind, Program, Worker};
use isolated_workers_test_support::process::kill;
use isolated_workers_test_support::{assert_error, soon};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::io::{ReaderStream, StreamReader};

use crate::services::{Failed, How, NumbersClient, PatternFile, Then, checksum};

const EVERY_WAY: [How; 3] = [How::Reader, How::AsyncWriter, How::BlockingWriter];

/// Not a multiple of the size of an item.
const SIZE: u64 = (5 << 20) + 7;

async fn started() -> (Worker, NumbersClient<Worker>) {
    let worker = Worker::builder(Program::new(env!("CARGO_BIN_EXE_streams-worker"))).spawn();
    let worker = soon(worker).await.unwrap();
    (worker.clone(), NumbersClient::new(worker))
}

async fn expected() -> (u64, u64) {
    checksum(PatternFile::new(SIZE, Then::End)).await.unwrap()
}

type Download<'a> = StreamReader<StreamingReply<'a, Bytes, CallError<Failed>>, Bytes>;

fn download(numbers: &NumbersClient<Worker>, how: How, then: Then) -> Download<'_> {
    StreamReader::new(numbers.download(how, SIZE, then))
}

#[tokio::test]
async fn a_stream_of_bytes_is_a_reader_and_a_reader_or_writer_is_a_stream() {
    let (_worker, numbers) = started().await;
    for how in EVERY_WAY {
        assert_eq!(soon(checksum(download(&numbers, how, Then::End))).await.unwrap(), expected().await);
    }
    let read = try_items(ReaderStream::new(PatternFile::new(SIZE, Then::End)));
    assert_eq!(soon(numbers.upload(read)).await.unwrap(), expected().await);
    let written = try_items(produce(async |mut out| {
        tokio::io::copy(&mut PatternFile::new(SIZE, Then::End), &mut out).await?;
        out.shutdown().await
    }));
    assert_eq!(soon(numbers.upload(written)).await.unwrap(), expected().await);
}

#[tokio::test]
async fn a_reader_that_fails_in_the_worker_is_an_error_at_its_place() {
    let (_worker, numbers) = started().await;
    for how in EVERY_WAY {
        let mut bytes = Vec::new();
        let error = soon(download(&numbers, how, Then::Fail).read_to_end(&mut bytes)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Other);
        let Ok(CallError::Service(failed)) = error.downcast::<CallError<Failed>>() else {
            panic!("{how:?}: not an error of the handler")
        };
        assert_eq!((bytes.len() as u64, failed), (SIZE, Failed("the disk is broken".into())), "{how:?}");
    }
}

#[tokio::test]
async fn a_worker_that_is_killed_is_an_error_for_a_reader() {
    for how in EVERY_WAY {
        let (worker, numbers) = started().await;
        let mut reader = download(&numbers, how, Then::Hang);
        let mut begun = vec![0; 1 << 20];
        soon(reader.read_exact(&mut begun)).await.unwrap();
        kill(worker.pid());
        let error = soon(reader.read_to_end(&mut begun)).await.unwrap_err();
        let Ok(CallError::Call(error)) = error.downcast::<CallError<Failed>>() else {
            panic!("{how:?}: not an error of the call")
        };
        assert_error(&error, ErrorKind::Crashed, &["SIGKILL", "the stream ended after"]);
    }
}

#[tokio::test]
async fn a_reader_that_fails_at_the_caller_ends_its_call_with_an_error_on_both_sides() {
    let (_worker, numbers) = started().await;
    let read = try_items(ReaderStream::new(PatternFile::new(SIZE, Then::Fail)));
    let written = try_items(produce(async |mut out| {
        let mut file = PatternFile::new(SIZE, Then::Fail);
        tokio::io::copy(&mut file, &mut out).await.map(drop)
    }));
    let calls = [numbers.upload(read).boxed_local(), numbers.upload(written).boxed_local()];
    for call in calls {
        let Err(CallError::Call(error)) = soon(call).await else { panic!("the call has not failed") };
        assert_error(&error, ErrorKind::Cancelled, &["`upload`", "the stream of its items failed"]);
        assert!(format!("{error:#}").ends_with(": the disk is broken"), "{error:#}");
        assert_eq!(error.executed(), Executed::Maybe);
        is_no_end(&numbers).await;
    }
}

#[tokio::test]
async fn an_upload_that_its_caller_gives_up_is_an_error_for_the_reader_in_the_worker() {
    let (_worker, numbers) = started().await;
    let mut upload =
        Box::pin(numbers.upload(try_items(ReaderStream::new(PatternFile::new(SIZE, Then::Hang)))));
    // The worker answers these calls after it has received the request. Items are sent meanwhile.
    let answered = async {
        for number in 0..100 {
            assert_eq!(numbers.add(number, 1).await.unwrap(), number + 1);
        }
    };
    soon(async {
        tokio::select! {
            result = &mut upload => panic!("{result:?}"),
            () = answered => {}
        }
    })
    .await;
    drop(upload);
    is_no_end(&numbers).await;
}

/// Checks that the reader in the worker got an error for the last upload.
async fn is_no_end(numbers: &NumbersClient<Worker>) {
    let Err(CallError::Service(Failed(text))) = soon(numbers.last_upload()).await else {
        panic!("the reader has ended without an error")
    };
    assert!(text.contains("could not receive the next item of `upload`"), "{text}");
}

#[tokio::test]
async fn a_timeout_is_a_timeout_for_a_reader() {
    let (_worker, numbers) = started().await;
    let mut slow = numbers.hang_briefly(0);
    let error: Error = soon(slow.next()).await.unwrap().unwrap_err();
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::TimedOut);
}
