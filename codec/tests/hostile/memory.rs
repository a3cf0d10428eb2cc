//! Counts the memory that a thread takes, and gives it the stack of a worker's thread.

#![allow(unsafe_code, reason = "an allocator is unsafe to write; this one only counts what it passes on")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// Of a type that needs no drop and is made by the compiler, so that it allocates nothing itself.
thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    let held = HELD.get() + bytes;
    HELD.set(held);
    PEAK.set(PEAK.get().max(held));
}

// SAFETY: every call is passed on to the system's allocator as it is. A layout has `isize::MAX` bytes at most.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the contract, which is the same one.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
    // `realloc` is the default, which holds the old and the new at the same time: the worst that there is.
}

/// Runs `work` in a thread with a stack of 2 MiB. The most bytes that it held at any time, and its result.
pub(super) fn measured<T: Send>(work: impl FnOnce() -> T + Send) -> (usize, T) {
    let measured = || {
        let before = HELD.get();
        PEAK.set(before);
        let result = work();
        ((PEAK.get() - before) as usize, result)
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(2 << 20).spawn_scoped(scope, measured).unwrap();
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
