//! A library that starts a thread before `main`, before the sandbox can confine the process.
#![allow(unsafe_code)] // Only a section of the program runs that early.

// SAFETY: this section holds functions that the loader calls before all constructors.
#[used]
#[unsafe(link_section = ".preinit_array")]
static START: extern "C" fn() = start;

extern "C" fn start() {
    // The C library does not know the environment yet.
    let environment = std::fs::read("/proc/self/environ").unwrap_or_default();
    if environment.split(|byte| *byte == 0).any(|variable| variable == b"SANDBOX_TEST_THREAD=1") {
        std::thread::spawn(|| {
            loop {
                std::thread::park();
            }
        });
    }
}
