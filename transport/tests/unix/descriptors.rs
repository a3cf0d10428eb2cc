//! Descriptors beside the bytes of a socket.

use std::io::{IoSlice, PipeReader, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use isolated_workers_transport::{
    Channel, ChannelDescriptors, DescriptorBatch, Reconnect, SocketReader, SocketWriter, UnixSocket,
};
use rustix::io::{FdFlags, fcntl_getfd};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Largest number of descriptors that Linux takes with one message.
const MAX_OF_SYSTEM: usize = 253;

/// Returns a channel and the other end of its socket.
async fn connected() -> (Channel<SocketReader, SocketWriter>, UnixStream) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let channel = UnixSocket.dial(path.to_str().unwrap()).await.unwrap();
    (channel, listener.accept().unwrap().0)
}

fn queues(channel: &Channel<SocketReader, SocketWriter>) -> ChannelDescriptors {
    channel.descriptors.clone().unwrap()
}

/// Sends `bytes` with a descriptor this number of times.
fn send(stream: &UnixStream, bytes: &[u8], count: usize) {
    let one = stream.as_fd();
    let descriptors = vec![one; count];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_OF_SYSTEM))];
    let mut message = SendAncillaryBuffer::new(&mut space);
    assert!(message.push(SendAncillaryMessage::ScmRights(&descriptors)));
    assert_eq!(sendmsg(stream, &[IoSlice::new(bytes)], &mut message, SendFlags::empty()), Ok(bytes.len()));
}

#[tokio::test]
async fn no_more_descriptors_arrive_than_a_batch_may_have() {
    let (mut channel, peer) = connected().await;
    let incoming = queues(&channel).incoming;
    incoming.open();
    for (sent, arrived, is_incomplete) in [(1, 1, false), (16, 16, false), (17, 16, true), (253, 16, true)] {
        send(&peer, b"x", sent);
        assert_eq!(channel.reader.read_u8().await.unwrap(), b'x');
        let batch = incoming.pop().unwrap();
        assert_eq!((batch.handles.len(), batch.is_incomplete), (arrived, is_incomplete));
        assert!(batch.handles.iter().all(|handle| fcntl_getfd(handle).unwrap().contains(FdFlags::CLOEXEC)));
    }
    assert!(incoming.is_empty());
}

#[tokio::test]
async fn descriptors_arrive_with_their_byte_and_in_order() {
    let (mut channel, peer) = connected().await;
    let incoming = queues(&channel).incoming;
    incoming.open();
    (&peer).write_all(b"before").unwrap();
    send(&peer, b"first", 1);
    send(&peer, b"second", 2);
    (&peer).write_all(b"after").unwrap();
    let (mut read, mut batches) = (Vec::new(), Vec::new());
    while read.len() < 22 {
        channel.reader.read_buf(&mut read).await.unwrap();
        while let Some(batch) = incoming.pop() {
            batches.push((read.len(), batch.handles.len()));
        }
    }
    assert_eq!(read, b"beforefirstsecondafter");
    assert!(matches!(batches[..], [(7..=11, 1), (12..=22, 2)]), "{batches:?}");
}

#[tokio::test]
async fn a_queue_that_is_not_open_gets_none() {
    let (mut channel, peer) = connected().await;
    let incoming = queues(&channel).incoming;
    send(&peer, b"x", 1);
    assert_eq!(channel.reader.read_u8().await.unwrap(), b'x');
    assert!(incoming.is_empty());
}

#[tokio::test]
async fn a_batch_leaves_with_the_next_byte_even_if_the_socket_was_full() {
    let (mut channel, mut peer) = connected().await;
    let (reader, writer) = std::io::pipe().unwrap();
    // Fills the socket.
    let filler = vec![0; 1 << 16];
    let mut filled = 0;
    while let Ok(written) =
        tokio::time::timeout(std::time::Duration::ZERO, channel.writer.write(&filler)).await
    {
        filled += written.unwrap();
    }
    let outgoing = queues(&channel).outgoing;
    outgoing.push(DescriptorBatch { handles: vec![OwnedFd::from(reader)], is_incomplete: false });
    let written = tokio::spawn(async move { channel.writer.write(b"with").await.unwrap() });
    let received = tokio::task::spawn_blocking(move || {
        let mut rest = vec![0; filled];
        peer.read_exact(&mut rest).unwrap();
        receive(&peer)
    });
    assert_eq!(written.await.unwrap(), 4);
    let (bytes, handle) = received.await.unwrap();
    assert_eq!(bytes, b"with");
    assert!(outgoing.is_empty());
    let mut writer = writer;
    writer.write_all(b"text").unwrap();
    drop(writer);
    let mut text = String::new();
    PipeReader::from(handle).read_to_string(&mut text).unwrap();
    assert_eq!(text, "text");
}

/// Reads bytes that come with a descriptor.
fn receive(stream: &UnixStream) -> (Vec<u8>, OwnedFd) {
    let mut bytes = [0; 16];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut message = RecvAncillaryBuffer::new(&mut space);
    let parts = &mut [std::io::IoSliceMut::new(&mut bytes)];
    let received = recvmsg(stream, parts, &mut message, RecvFlags::empty()).unwrap();
    let handle = message.drain().find_map(|part| match part {
        RecvAncillaryMessage::ScmRights(mut handles) => handles.next(),
        _ => None,
    });
    (bytes[..received.bytes].to_vec(), handle.expect("a descriptor comes with the bytes"))
}
