use std::io::{self, Read, Write};

use crate::completion::{Words, complete};
use crate::history::History;
use crate::line_buffer::{Edit, LineBuffer};
use crate::terminal;

/// Editor of one line of a terminal, with completion and history.
pub(crate) struct LineEditor {
    words: Words,
    history: History,
}

/// Key of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Edit(Edit),
    Enter,
    Tab,
    Up,
    Down,
    Clear,
    Interrupt,
    EndOfInput,
    Other,
}

impl LineEditor {
    pub(crate) fn new(words: Words) -> Self {
        Self { words, history: History::load() }
    }

    /// Reads a line. `None` after Ctrl-D in an empty line. Ctrl-C empties the line.
    pub(crate) fn read(&mut self, prompt: &str) -> io::Result<Option<String>> {
        let _raw = terminal::RawMode::enter()?;
        let mut bytes = io::stdin().lock().bytes();
        let mut line = LineBuffer::default();
        // The line after the last one of the history is the new one.
        let mut position = self.history.lines().len();
        loop {
            draw(prompt, &line)?;
            match key(&mut bytes)? {
                Key::Edit(edit) => line.edit(edit),
                Key::Enter => break,
                Key::Interrupt => line.set(""),
                Key::EndOfInput if line.is_empty() => {
                    write!(io::stderr(), "\r\n")?;
                    return Ok(None);
                }
                Key::EndOfInput => line.edit(Edit::Delete),
                Key::Clear => write!(io::stderr(), "\x1b[H\x1b[2J")?,
                Key::Up => self.recall(&mut line, &mut position, -1),
                Key::Down => self.recall(&mut line, &mut position, 1),
                Key::Tab => self.complete(&mut line)?,
                Key::Other => {}
            }
        }
        write!(io::stderr(), "\r\n")?;
        let text = line.text();
        self.history.add(&text);
        Ok(Some(text))
    }

    fn recall(&self, line: &mut LineBuffer, position: &mut usize, step: isize) {
        let lines = self.history.lines();
        *position = position.saturating_add_signed(step).min(lines.len());
        line.set(lines.get(*position).map_or("", String::as_str));
    }

    fn complete(&self, line: &mut LineBuffer) -> io::Result<()> {
        let completion = complete(&self.words, &line.before());
        if completion.insertion.is_empty() && !completion.candidates.is_empty() {
            write!(io::stderr(), "\r\n\x1b[K{}\r\n", completion.candidates.join("  "))?;
        }
        completion.insertion.chars().for_each(|c| line.edit(Edit::Insert(c)));
        Ok(())
    }
}

fn draw(prompt: &str, line: &LineBuffer) -> io::Result<()> {
    let width = terminal::width().saturating_sub(prompt.len() + 1);
    let (text, column) = line.window(width);
    write!(io::stderr(), "\r{prompt}{text}\x1b[K\r\x1b[{}C", prompt.len() + column)
}

/// Reads a key.
fn key(bytes: &mut impl Iterator<Item = io::Result<u8>>) -> io::Result<Key> {
    let Some(first) = bytes.next().transpose()? else { return Ok(Key::EndOfInput) };
    Ok(match first {
        b'\r' | b'\n' => Key::Enter,
        b'\t' => Key::Tab,
        0x01 => Key::Edit(Edit::Home),
        0x02 => Key::Edit(Edit::Left),
        0x03 => Key::Interrupt,
        0x04 => Key::EndOfInput,
        0x05 => Key::Edit(Edit::End),
        0x06 => Key::Edit(Edit::Right),
        0x08 | 0x7f => Key::Edit(Edit::Backspace),
        0x0b => Key::Edit(Edit::KillToEnd),
        0x0c => Key::Clear,
        0x0e => Key::Down,
        0x10 => Key::Up,
        0x15 => Key::Edit(Edit::KillToStart),
        0x17 => Key::Edit(Edit::KillWord),
        0x1b => escape(bytes)?,
        0x00..0x20 => Key::Other,
        first => character(first, bytes)?,
    })
}

/// Reads the rest of an escape sequence.
fn escape(bytes: &mut impl Iterator<Item = io::Result<u8>>) -> io::Result<Key> {
    if !matches!(bytes.next().transpose()?, Some(b'[' | b'O')) {
        return Ok(Key::Other);
    }
    let mut parameter = 0;
    loop {
        return Ok(match bytes.next().transpose()? {
            Some(digit @ b'0'..=b'9') => {
                parameter = digit;
                continue;
            }
            Some(b';') => continue,
            Some(b'A') => Key::Up,
            Some(b'B') => Key::Down,
            Some(b'C') => Key::Edit(Edit::Right),
            Some(b'D') => Key::Edit(Edit::Left),
            Some(b'H') => Key::Edit(Edit::Home),
            Some(b'F') => Key::Edit(Edit::End),
            Some(b'~') => match parameter {
                b'1' | b'7' => Key::Edit(Edit::Home),
                b'3' => Key::Edit(Edit::Delete),
                b'4' | b'8' => Key::Edit(Edit::End),
                _ => Key::Other,
            },
            _ => Key::Other,
        });
    }
}

/// Reads the rest of a character in UTF-8.
fn character(first: u8, bytes: &mut impl Iterator<Item = io::Result<u8>>) -> io::Result<Key> {
    let length = match first {
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0.. => 4,
        _ => 1,
    };
    let mut encoded = vec![first];
    while encoded.len() < length {
        let Some(byte) = bytes.next().transpose()? else { break };
        encoded.push(byte);
    }
    let decoded = std::str::from_utf8(&encoded).ok().and_then(|text| text.chars().next());
    Ok(decoded.map_or(Key::Other, |c| Key::Edit(Edit::Insert(c))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_bytes_or_escape_sequences() {
        for (bytes, expected) in [
            (&b"a"[..], Key::Edit(Edit::Insert('a'))),
            ("é".as_bytes(), Key::Edit(Edit::Insert('é'))),
            ("🦀".as_bytes(), Key::Edit(Edit::Insert('🦀'))),
            (b"\xff\xff\xff\xff", Key::Other),
            (b"\r", Key::Enter),
            (b"\x1b[A", Key::Up),
            (b"\x1bOB", Key::Down),
            (b"\x1b[3~", Key::Edit(Edit::Delete)),
            (b"\x1b[1;5C", Key::Edit(Edit::Right)),
            (b"\x1bx", Key::Other),
            (b"\x1b[200~", Key::Other),
            (b"\x00", Key::Other),
            (b"", Key::EndOfInput),
        ] {
            let mut input = bytes.iter().map(|byte| Ok(*byte));
            assert_eq!(key(&mut input).unwrap(), expected, "{bytes:?}");
            assert!(input.next().is_none(), "{bytes:?}");
        }
    }
}
