//! Linux tells by inotify.

use std::io;
use std::path::Path;

use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

/// Room for an event with the longest name there is.
const EVENT: usize = 4 << 10;

/// Events are read as from a pipe.
pub(super) struct Watch(Receiver);

impl Watch {
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        let inotify = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        add_watch(&inotify, folder, WatchFlags::CREATE | WatchFlags::MOVED_TO)?;
        Receiver::from_owned_fd_unchecked(inotify).map(Self)
    }

    pub(super) async fn next(&mut self) -> io::Result<()> {
        // What it was is seen by looking at the folder.
        self.0.read(&mut [0; EVENT]).await.map(drop)
    }
}
