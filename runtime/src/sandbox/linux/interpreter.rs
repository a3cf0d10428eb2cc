//! Files that the kernel opens to execute a program: its dynamic loader, or the interpreter of a
//! script and that of the interpreter.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Number of interpreters that the kernel follows.
const MAX_DEPTH: usize = 5;

/// Largest table of segments that is read, in bytes.
const MAX_TABLE_BYTES: usize = 64 << 10;

/// Part of the first line of a script that the kernel reads, without `#!`, in bytes.
const MAX_LINE_BYTES: usize = 254;

/// Longest path of a loader in bytes.
const MAX_PATH_BYTES: u64 = 4096;

/// Returns the files besides the program itself. Incomplete if one of them cannot be read: executing
/// the program then fails.
pub(super) fn all(program: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut next = of(program);
    while let Some(file) = next {
        let path = match file {
            Needed::Interpreter(path) => path,
            // The kernel reads no name of a loader in a loader.
            Needed::Loader(path) => {
                found.extend(Some(path).filter(|path| path.is_file()));
                break;
            }
        };
        if found.len() == MAX_DEPTH || found.contains(&path) || !path.is_file() {
            break;
        }
        next = of(&path);
        found.push(path);
    }
    found
}

/// File that the kernel opens for another one.
enum Needed {
    /// Of a script.
    Interpreter(PathBuf),
    /// Of a program.
    Loader(PathBuf),
}

fn of(program: &Path) -> Option<Needed> {
    let file = File::open(program).ok().filter(|file| file.metadata().is_ok_and(|file| file.is_file()))?;
    let mut start = Vec::new();
    (&file).take(4096).read_to_end(&mut start).ok()?;
    let path = |bytes: &[u8]| Some(PathBuf::from(OsStr::from_bytes(bytes))).filter(|path| path.is_absolute());
    match start.strip_prefix(b"#!") {
        Some(line) => path(script(line)?).map(Needed::Interpreter),
        None => path(&loader(&file, &start)?).map(Needed::Loader),
    }
}

/// Interpreter in the first line of a script, behind `#!`.
fn script(line: &[u8]) -> Option<&[u8]> {
    let line = line[..line.len().min(MAX_LINE_BYTES)].split(|byte| *byte == b'\n').next()?;
    line.split(|byte| matches!(byte, b' ' | b'\t')).find(|path| !path.is_empty())
}

/// Dynamic loader that a 64-bit ELF file of this machine's byte order names (`PT_INTERP`).
fn loader(file: &File, start: &[u8]) -> Option<Vec<u8>> {
    const INTERPRETER: u32 = 3;
    let order = if cfg!(target_endian = "little") { 1 } else { 2 };
    if !start.starts_with(&[0x7f, b'E', b'L', b'F', 2, order]) {
        return None;
    }
    let table_at = u64_at(start, 32)?;
    let entry_bytes = usize::from(u16_at(start, 54)?);
    let table_bytes = entry_bytes.checked_mul(usize::from(u16_at(start, 56)?))?;
    if entry_bytes < 56 || table_bytes > MAX_TABLE_BYTES {
        return None;
    }
    let mut table = vec![0; table_bytes];
    file.read_exact_at(&mut table, table_at).ok()?;
    let entry = table.chunks_exact(entry_bytes).find(|entry| u32_at(entry, 0) == Some(INTERPRETER))?;
    let length = u64_at(entry, 32).filter(|length| *length <= MAX_PATH_BYTES)?;
    let mut path = vec![0; usize::try_from(length).ok()?];
    file.read_exact_at(&mut path, u64_at(entry, 8)?).ok()?;
    path.truncate(path.iter().position(|byte| *byte == 0)?);
    Some(path)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interpreters_of_a_script_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let outer = dir.path().join("outer");
        let inner = dir.path().join("inner");
        std::fs::write(&inner, "#!/bin/sh -e\n").unwrap();
        std::fs::write(&outer, format!("#! {} x\n", inner.display())).unwrap();
        let found = all(&outer);
        assert_eq!(found[..2], [inner, PathBuf::from("/bin/sh")]);
        // A static shell has no loader.
        assert!(found.len() <= 3 && found[2..].iter().all(|path| path.is_file()), "{found:?}");
    }

    /// Otherwise a program could name any folder as the loader of its loader.
    #[test]
    fn a_loader_has_no_loader_and_is_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, loader: &Path| {
            let mut bytes = vec![0; 64 + 56];
            bytes[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1]);
            bytes[32] = 64;
            bytes[54] = 56;
            bytes[56] = 1;
            bytes[64] = 3;
            bytes[64 + 8] = 120;
            let loader = loader.as_os_str().as_bytes();
            bytes[64 + 32] = u8::try_from(loader.len() + 1).unwrap();
            bytes.extend(loader);
            bytes.push(0);
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        if cfg!(target_endian = "big") {
            return;
        }
        let loader = file("loader", Path::new("/"));
        assert_eq!(all(&file("program", &loader)), [loader]);
        assert_eq!(all(&file("other", Path::new("/"))), Vec::<PathBuf>::new());
    }

    #[test]
    fn files_without_an_interpreter_have_none() {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in
            [("empty", &b""[..]), ("line", b"#!\n"), ("cut", b"\x7fELF\x02\x01"), ("text", b"hello")]
        {
            let path = dir.path().join(name);
            std::fs::write(&path, content).unwrap();
            assert_eq!(all(&path), Vec::<PathBuf>::new(), "{name}");
        }
        let circle = dir.path().join("circle");
        std::fs::write(&circle, format!("#!{}", circle.display())).unwrap();
        assert_eq!(all(&circle), std::slice::from_ref(&circle));
    }
}
