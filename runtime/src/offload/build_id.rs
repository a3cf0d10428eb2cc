//! Identity of the build of a program. Host and worker must be the same build, because functions
//! are found by their names alone, and types have no version.
//!
//! A linker may write a hash of the program into its file, and those of Linux do so by default.
//! Otherwise the file's size and its time of modification stand for it. A hash of the whole file
//! would take longer than the start of a worker.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::OnceLock;

use crate::Program;

/// Cause and remedy of an error of a worker that is another build than its host.
pub(super) const OTHER_BUILD: &str = "host and worker are different builds; start the worker with `offload::program()`, or restart this \
     program after its file was replaced";

/// Maximum size in bytes of the notes that are read.
const MAX_NOTES_BYTES: u64 = 64 << 10;

/// Returns the identity of this program. It is determined once, early in `main`: the file may be
/// replaced later.
pub(super) fn get() -> &'static str {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| {
        let mut hasher = DefaultHasher::new();
        // Two programs whose files cannot be read count as the same build.
        if let Ok(file) = Program::open_current_exe() {
            identify(file, &mut hasher);
        }
        format!("{:016x}", hasher.finish())
    })
}

fn identify(mut file: File, hasher: &mut impl Hasher) {
    if let Ok(Some(id)) = linker_id(&mut file) {
        id.hash(hasher);
    } else if let Ok(metadata) = file.metadata() {
        (metadata.len(), metadata.modified().ok()).hash(hasher);
    }
}

/// Returns the build id in a note of an ELF file of this machine. Only 64-bit files have one here.
fn linker_id(file: &mut (impl Read + Seek)) -> io::Result<Option<Vec<u8>>> {
    let header: [u8; 64] = read_at(file, 0)?;
    if !header.starts_with(b"\x7fELF\x02") {
        return Ok(None);
    }
    let (segments, size, count) = (u64_at(&header, 32), u16_at(&header, 54), u16_at(&header, 56));
    for index in 0..count {
        let Some(offset) = segments.checked_add(u64::from(index) * u64::from(size)) else { break };
        let segment: [u8; 56] = read_at(file, offset)?;
        const NOTE: u32 = 4;
        if u32_at(&segment, 0) != NOTE {
            continue;
        }
        let (offset, size) = (u64_at(&segment, 8), u64_at(&segment, 32));
        file.seek(SeekFrom::Start(offset))?;
        let mut notes = Vec::new();
        file.take(size.min(MAX_NOTES_BYTES)).read_to_end(&mut notes)?;
        if let Some(id) = id_in_notes(&notes) {
            return Ok(Some(id.to_owned()));
        }
    }
    Ok(None)
}

/// Returns the contents of the note that the GNU linker and LLVM's write. Each note has the sizes
/// of its name and of its contents, a kind, and both of them padded to four bytes.
fn id_in_notes(mut notes: &[u8]) -> Option<&[u8]> {
    const BUILD_ID: u32 = 3;
    loop {
        let (header, rest) = notes.split_at_checked(12)?;
        let (name_bytes, id_bytes) = (u32_at(header, 0) as usize, u32_at(header, 4) as usize);
        let (name, rest) = rest.split_at_checked(name_bytes.checked_next_multiple_of(4)?)?;
        let id = rest.get(..id_bytes)?;
        if u32_at(header, 8) == BUILD_ID && name == b"GNU\0" {
            return Some(id);
        }
        notes = rest.get(id_bytes.checked_next_multiple_of(4)?..)?;
    }
}

fn read_at<const BYTES: usize>(file: &mut (impl Read + Seek), offset: u64) -> io::Result<[u8; BYTES]> {
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = [0; BYTES];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Returns the bytes at a fixed place of a fixed structure.
fn array_at<const BYTES: usize>(bytes: &[u8], at: usize) -> [u8; BYTES] {
    bytes[at..at + BYTES].try_into().expect("as many bytes as asked for")
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes(array_at(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(array_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(array_at(bytes, at))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn note(kind: u32, name: &[u8], contents: &[u8]) -> Vec<u8> {
        let mut note = Vec::new();
        for number in [name.len() as u32, contents.len() as u32, kind] {
            note.extend(number.to_ne_bytes());
        }
        for part in [name, contents] {
            note.extend(part);
            note.resize(note.len().next_multiple_of(4), 0);
        }
        note
    }

    #[test]
    fn the_build_id_is_found_among_other_notes() {
        let other = note(1, b"GNU\0", &[1; 16]);
        let longer = note(3, b"stapsdt\0", &[2; 5]);
        let id = note(3, b"GNU\0", &[3; 20]);
        assert_eq!(id_in_notes(&[&other[..], &longer, &id].concat()), Some(&[3; 20][..]));
        assert_eq!(id_in_notes(&[&other[..], &longer].concat()), None);
    }

    #[test]
    fn broken_notes_have_no_build_id() {
        let id = note(3, b"GNU\0", &[3; 20]);
        for length in 0..id.len() {
            assert_eq!(id_in_notes(&id[..length]), None, "{length}");
        }
        assert_eq!(id_in_notes(&[0xff; 64]), None);
    }

    #[test]
    fn broken_files_have_no_build_id() {
        let found = |bytes: &[u8]| linker_id(&mut Cursor::new(bytes)).ok().flatten();
        assert_eq!(found(b"MZ"), None);
        assert_eq!(found(&[b"\x7fELF\x02".as_slice(), &[0xff; 100]].concat()), None);
        assert_eq!(found(&[b"\x7fELF\x02".as_slice(), &[0; 100]].concat()), None);
    }

    #[test]
    fn this_program_has_one_identity() {
        assert_eq!(get(), get());
        assert_ne!(get(), format!("{:016x}", DefaultHasher::new().finish()));
    }
}
