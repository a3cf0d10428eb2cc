//! The time of a start, with and without some of its parts.

use isolated_workers::codec::Postcard;
use isolated_workers::transport::{DefaultTransport, NamedPipe, SocketPair, Stdio};

use crate::contestants::{Ours, RawStd, RawTokio, Stack, WithoutHandshake, WithoutStderrCapture};
use crate::flavor::Flavor::CurrentThread;
use crate::round::round;
use crate::row::Row;
use crate::table::{Column, Layout, Table};
use crate::work::Work;

type Over<T> = Stack<Postcard, T>;
type Started<W> = Stack<Postcard, DefaultTransport, W>;

const COLUMNS: [Column; 8] = [
    ("raw-tokio", |row| round::<RawTokio>(row.work, CurrentThread, row.is_pinned)),
    ("isolated-workers", |row| round::<Ours>(row.work, CurrentThread, row.is_pinned)),
    ("over `SocketPair`", |row| round::<Over<SocketPair>>(row.work, CurrentThread, row.is_pinned)),
    ("over `Stdio`", |row| round::<Over<Stdio>>(row.work, CurrentThread, row.is_pinned)),
    ("over `NamedPipe`", |row| round::<Over<NamedPipe>>(row.work, CurrentThread, row.is_pinned)),
    ("without stderr capture", |row| {
        round::<Started<WithoutStderrCapture>>(row.work, CurrentThread, row.is_pinned)
    }),
    ("without handshake", |row| round::<Started<WithoutHandshake>>(row.work, CurrentThread, row.is_pinned)),
    ("raw-std", |row| round::<RawStd>(row.work, CurrentThread, row.is_pinned)),
];

const ROWS: [Row; 2] =
    [Row::new("spawn to first reply", Work::Spawn), Row::new("pinned", Work::Spawn).pinned()];

pub fn measure(rounds: usize) -> Table {
    Table::measure("starts", Layout::Turned, &COLUMNS, &ROWS, rounds)
}
