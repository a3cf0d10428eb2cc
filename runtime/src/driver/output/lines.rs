use std::path::Path;

use super::Standard;

/// The longest line that is told in full, in bytes.
const LONGEST: usize = 8 << 10;

/// Tells what a worker prints to `tracing`, line by line.
///
/// A line is put together before it is made text, so that a character that comes in two pieces stays whole.
#[derive(Debug)]
pub(in crate::driver) struct Lines {
    from: Standard,
    pid: u32,
    name: String,
    line: Vec<u8>,
    /// Whether the line goes on after what is in `line`.
    is_cut: bool,
}

impl Lines {
    pub(super) fn new(from: Standard, pid: u32, program: &Path) -> Self {
        let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
        Self { from, pid, name, line: Vec::new(), is_cut: false }
    }

    pub(super) fn take(&mut self, new: &[u8]) {
        for piece in new.split_inclusive(|byte| *byte == b'\n') {
            let (piece, is_over) = match piece.strip_suffix(b"\n") {
                Some(piece) => (piece, true),
                None => (piece, false),
            };
            let room = LONGEST - self.line.len();
            self.is_cut |= piece.len() > room;
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if is_over {
                self.tell();
            }
        }
    }

    fn tell(&mut self) {
        let Self { pid, name, .. } = self;
        let line = if self.is_cut {
            // The cut may have gone through a character.
            let half = self.line.utf8_chunks().last().map_or(0, |chunk| chunk.invalid().len());
            let whole = &self.line[..self.line.len() - half];
            format!("{} … [the rest of the line is left out]", String::from_utf8_lossy(whole))
        } else {
            String::from_utf8_lossy(self.line.strip_suffix(b"\r").unwrap_or(&self.line)).into_owned()
        };
        // Level and target must be known to the compiler.
        match self.from {
            Standard::Output => {
                tracing::info!(target: "isolated_workers::worker", pid, name, stream = "stdout", "{line}");
            }
            Standard::Error => {
                tracing::warn!(target: "isolated_workers::worker", pid, name, stream = "stderr", "{line}");
            }
        }
        self.line.clear();
        self.is_cut = false;
    }
}

impl Drop for Lines {
    /// The last line may have no end, and the task that reads may be ended before the stream is.
    fn drop(&mut self) {
        if !self.line.is_empty() {
            self.tell();
        }
    }
}
