use std::path::Path;

use super::StandardStream;
use super::event::{self, Origin};
use crate::launch::{MAX_LINE_BYTES, WorkerEvent};

/// Emits a worker's output as `tracing` events, one for each line. A line that is an event of the
/// worker is emitted as that event.
///
/// A line is assembled as bytes before it becomes text, so that a character split across two reads
/// stays whole.
#[derive(Debug)]
pub(in crate::driver) struct LineLogger {
    from: StandardStream,
    pid: u32,
    name: String,
    line: Vec<u8>,
    /// `true` if bytes of the line were dropped because it is too long.
    is_cut: bool,
}

impl LineLogger {
    pub(super) fn new(from: StandardStream, pid: u32, program: &Path) -> Self {
        let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
        isolated_workers_middleware::open_spans::track();
        Self { from, pid, name, line: Vec::new(), is_cut: false }
    }

    pub(super) fn push(&mut self, new: &[u8]) {
        for piece in new.split_inclusive(|byte| *byte == b'\n') {
            let (piece, is_complete) = match piece.strip_suffix(b"\n") {
                Some(piece) => (piece, true),
                None => (piece, false),
            };
            let room = MAX_LINE_BYTES - self.line.len();
            self.is_cut |= piece.len() > room;
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            if is_complete {
                self.emit();
            }
        }
    }

    fn emit(&mut self) {
        if !self.emit_event() {
            self.emit_text();
        }
        self.line.clear();
        self.is_cut = false;
    }

    /// Returns `false` if the line is other text.
    fn emit_event(&self) -> bool {
        let origin = Origin { pid: self.pid, name: &self.name };
        !self.is_cut && WorkerEvent::parse(&self.line).is_some_and(|event| event::emit(&event, origin))
    }

    fn emit_text(&self) {
        let Self { pid, name, .. } = self;
        let line = if self.is_cut {
            // The cut may split a character.
            let half = self.line.utf8_chunks().last().map_or(0, |chunk| chunk.invalid().len());
            let whole = &self.line[..self.line.len() - half];
            format!("{} … [the rest of the line is omitted]", String::from_utf8_lossy(whole))
        } else {
            String::from_utf8_lossy(self.line.strip_suffix(b"\r").unwrap_or(&self.line)).into_owned()
        };
        // `tracing` requires a constant level and target.
        match self.from {
            StandardStream::Output => {
                tracing::info!(target: "isolated_workers::worker", pid, name, stream = "stdout", "{line}");
            }
            StandardStream::Error => {
                tracing::warn!(target: "isolated_workers::worker", pid, name, stream = "stderr", "{line}");
            }
        }
    }
}

impl Drop for LineLogger {
    /// Emits a last line without a newline: the reading task may end before the stream does.
    fn drop(&mut self) {
        if !self.line.is_empty() {
            self.emit();
        }
    }
}
