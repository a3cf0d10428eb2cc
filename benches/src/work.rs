use crate::flavor::Flavor;
use crate::items::Items;
use crate::unit::Unit;

/// Task of a contestant in one round. Less is better in each case.
///
/// The numbers of calls are maxima: a round ends early if the contestant is slow, see `round`.
#[derive(Clone, Copy)]
pub enum Work {
    /// Time from the start of the child to its first reply.
    Spawn,
    /// The same for several children that are started at once, until all have replied.
    SpawnMany { workers: usize },
    /// Median time of sequential calls, with bodies of `bytes` bytes.
    Latency { bytes: usize, calls: usize },
    /// The same, per megabyte (10^6 bytes) of body.
    EachMegabyte { bytes: usize, calls: usize },
    /// Page faults of both processes per call, with bodies of `bytes` bytes.
    Faults { bytes: usize, calls: usize },
    /// Time per call with `in_flight` calls in flight.
    Throughput { in_flight: usize, calls: usize },
    /// The same over several children, with 16 calls in flight on each.
    Workers { workers: usize, calls: usize },
    /// CPU time of both processes per call with `in_flight` calls in flight.
    Cpu { in_flight: usize, calls: usize },
    /// Time per item of a stream from the child.
    Receive(Items),
    /// Time per item of a stream to the child.
    Send(Items),
    /// Median time from a call to the first item of its stream, with items of 64 bytes.
    FirstItem { streams: usize },
    /// Time per callback of 64 bytes.
    CallBack { calls: u32 },
    /// Resident memory of the child after small and large calls, and a thousand small ones at the
    /// end.
    Memory,
}

impl Work {
    pub fn unit(self) -> Unit {
        match self {
            Self::Memory => Unit::Bytes,
            Self::Faults { .. } => Unit::Times,
            _ => Unit::Seconds,
        }
    }

    /// Number of repetitions in a round. A start is short and varies.
    pub fn repetitions(self) -> usize {
        if matches!(self, Self::Spawn) { 10 } else { 1 }
    }
}

/// The tokio flavors of both sides.
#[derive(Clone, Copy)]
pub struct Flavors {
    pub host: Flavor,
    pub child: Flavor,
}

impl From<Flavor> for Flavors {
    fn from(both: Flavor) -> Self {
        Self { host: both, child: both }
    }
}
