//! Counts the memory of a thread that has the stack size of a worker's thread.

#![allow(unsafe_code, reason = "an allocator is unsafe to implement; this one only counts and forwards")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// Const and without drop, so that access allocates nothing.
thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    let held = HELD.get() + bytes;
    HELD.set(held);
    PEAK.set(PEAK.get().max(held));
}

// SAFETY: every call is forwarded unchanged to the system allocator. A layout has at most
// `isize::MAX` bytes.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller upholds the same contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
    // The default `realloc` holds the old and the new memory at the same time, which is the worst
    // case.
}

/// Runs `work` in a thread with a stack of 2 MiB. Returns the peak of its memory in bytes, and its
/// result.
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
