//! Streams and callbacks of our stack, next to a hand-written connection and other libraries.

use crate::contestants::{RawStdStreams, RawTokioStreams, ServingHost};
#[cfg(feature = "peers")]
use crate::contestants::{Remoc, Tonic, Vox};
use crate::items::Items;
use crate::round::round_with_streams;
use crate::row::Row;
use crate::table::{Column, Layout, Table};
use crate::work::Work;

const COLUMNS: &[Column] = &[
    ("raw-tokio", round_with_streams::<RawTokioStreams>),
    ("isolated-workers", round_with_streams::<ServingHost>),
    ("raw-std", round_with_streams::<RawStdStreams>),
    #[cfg(feature = "peers")]
    ("remoc", round_with_streams::<Remoc>),
    #[cfg(feature = "peers")]
    ("tonic", round_with_streams::<Tonic>),
    #[cfg(feature = "peers")]
    ("vox", round_with_streams::<Vox>),
];

const PEERS: &[&str] = &["remoc", "tonic", "vox"];

const SMALL: Items = Items { count: 100_000, bytes: 64 };
const LARGE: Items = Items { count: 3_000, bytes: 64 << 10 };

const ROWS: [Row; 12] = [
    Row::new("item of 64 B from the child", Work::Receive(SMALL)).with_cpu().target_to(1.0 / 1.5, PEERS),
    Row::new("the same, pinned", Work::Receive(SMALL)).pinned().with_cpu().target_to(1.0 / 1.5, PEERS),
    Row::new("item of 64 B to the child", Work::Send(SMALL)).with_cpu().target_to(1.0 / 1.5, PEERS),
    Row::new("the same, pinned", Work::Send(SMALL)).pinned().with_cpu().target_to(1.0 / 1.5, PEERS),
    Row::new("item of 64 KiB from the child", Work::Receive(LARGE))
        .with_cpu()
        .target_to(1.0 / 0.9, &["raw-std"]),
    Row::new("the same, pinned", Work::Receive(LARGE)).pinned().with_cpu().target_to(1.0 / 0.9, &["raw-std"]),
    Row::new("item of 64 KiB to the child", Work::Send(LARGE)).with_cpu().target_to(1.0 / 0.9, &["raw-std"]),
    Row::new("the same, pinned", Work::Send(LARGE)).pinned().with_cpu().target_to(1.0 / 0.9, &["raw-std"]),
    Row::new("first item", Work::FirstItem { streams: 5_000 }).with_cpu(),
    Row::new("first item, pinned", Work::FirstItem { streams: 5_000 }).with_cpu().pinned(),
    Row::new("callback", Work::CallBack { calls: 5_000 }).with_cpu(),
    Row::new("callback, pinned", Work::CallBack { calls: 5_000 }).with_cpu().pinned(),
];

pub fn measure(rounds: usize) -> Table {
    Table::measure("streams", Layout::Ratios, COLUMNS, &ROWS, rounds)
}
