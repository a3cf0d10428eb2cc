/// The seats of a worker: how many calls it has and may have. Calls take them and give them back by themselves, on other
/// threads, so that whatever is read here may be another by now; but a seat that was taken is taken.
pub(crate) trait Seats: Clone {
    /// Lets so many calls in at once; from `calls_end` calls on, each one that ends is to tell.
    fn open(&self, most: u32, calls_end: u64);

    /// Lets no more calls in.
    fn close(&self);

    /// Takes one for a call. `false`: none is free.
    fn take(&self) -> bool;

    /// Gives one back that was taken and is not wanted.
    fn give_back(&self);

    /// How many are free.
    fn free(&self) -> u32;

    /// Whether calls are let in, how many are in flight, and how many there were, with those.
    fn counts(&self) -> (bool, u32, u64);

    /// How many calls are in flight.
    fn taken(&self) -> u32 {
        self.counts().1
    }
}
