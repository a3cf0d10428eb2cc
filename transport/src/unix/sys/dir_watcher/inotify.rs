//! Notification by inotify, on Linux.

use std::io;
use std::path::Path;

use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

/// Buffer size that fits an event with the longest possible name.
const EVENT_BYTES: usize = 4 << 10;

/// An inotify instance. Its events are read in the same way as the bytes of a pipe.
pub(super) struct Notifier(Receiver);

impl Notifier {
    pub(super) fn new(dir: &Path) -> io::Result<Self> {
        let inotify = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        add_watch(&inotify, dir, WatchFlags::CREATE | WatchFlags::MOVED_TO)?;
        Receiver::from_owned_fd_unchecked(inotify).map(Self)
    }

    pub(super) async fn changed(&mut self) -> io::Result<()> {
        // The content is dropped: the caller looks at the directory.
        self.0.read(&mut [0; EVENT_BYTES]).await.map(drop)
    }
}
