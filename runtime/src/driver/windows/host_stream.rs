//! Standard streams of the host, as far as only the system knows them.

use std::io::{self, Write};

use crate::driver::output::StandardStream;

/// Does nothing: Windows has no signals.
pub(in crate::driver) fn block_sigpipe() {}

/// Writes the bytes to the stream after those that the host has printed. Waits while code of the
/// host holds the lock of the stream: only the standard library can write to a console.
pub(in crate::driver) fn write_all(stream: StandardStream, bytes: &[u8]) -> io::Result<()> {
    match stream {
        StandardStream::Output => write_all_to(io::stdout().lock(), bytes),
        StandardStream::Error => write_all_to(io::stderr().lock(), bytes),
    }
}

fn write_all_to(mut stream: impl Write, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    stream.flush()
}

/// Returns `true`: the system cannot be asked. A stream that blocks is waited for.
pub(in crate::driver) fn is_writable(_: StandardStream) -> bool {
    true
}
