//! The policy that a host passes to the process that confines itself, as a text in the environment
//! variable [`VARIABLE`]. Not a secret.
//!
//! The first line is [`HEADER`], which ends with the version. Each further line is a key, or a key,
//! a space and a value:
//!
//! | key | value |
//! |---|---|
//! | `launched` | none: the process executes another program once it is confined |
//! | `kill-on-violation` | none |
//! | `protect` | name of a protection to set up as a whole |
//! | `partly` | name of a protection to set up as far as the system can |
//! | `landlock` | ABI of Landlock to use, 1 to 6 |
//! | `memory`, `cpu-time`, `open-files`, `file-size` | limit in bytes, seconds or descriptors |
//! | `read`, `write`, `execute` | path |
//! | `load` | path of an interpreter or loader of the program that a launcher executes |
//!
//! In a path, `%` and the bytes outside `!` to `~` are written as `%` and two hexadecimal digits. A
//! text with anything else is an error, and the process ends: it never runs with a part of its
//! policy.

use std::ffi::OsString;
use std::fmt::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::sandbox::policy::Limits;
use crate::sandbox::protection::{Protection, ProtectionSet};

/// Environment variable with the policy of a worker.
pub(crate) const VARIABLE: &str = "ISOLATED_WORKERS_SANDBOX";

const HEADER: &str = "isolated-workers-sandbox 1";

/// Longest text in bytes. An environment variable has at most 128 KiB on Linux.
pub(crate) const MAX_BYTES: usize = 96 << 10;

/// Newest ABI of Landlock that a policy may name.
pub(super) const MAX_LANDLOCK: u8 = 6;

/// Confinement of a process, as its host has planned it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(super) is_launched: bool,
    pub(super) kills: bool,
    pub(super) protections: ProtectionSet,
    pub(super) partly: ProtectionSet,
    /// ABI of Landlock. Zero: Landlock is not used.
    pub(super) landlock: u8,
    pub(super) limits: Limits,
    pub(super) paths: Vec<(Access, PathBuf)>,
}

/// Access to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
    Execute,
    /// Access of the kernel, which executes the program of a launcher with this file. The worker has
    /// it as well, but it does not allow the system calls that execute.
    Load,
}

impl Access {
    const ALL: [(&str, Self); 4] =
        [("read", Self::Read), ("write", Self::Write), ("execute", Self::Execute), ("load", Self::Load)];
}

impl Policy {
    /// Returns `true` if the protection is to be set up, as a whole or in part.
    pub(super) fn has(&self, protection: Protection) -> bool {
        self.protections.contains(protection) || self.partly.contains(protection)
    }

    /// Returns `true` if the worker may execute other programs.
    pub(super) fn may_execute(&self) -> bool {
        !self.has(Protection::Execute) || self.paths.iter().any(|(access, _)| *access == Access::Execute)
    }

    pub(crate) fn to_text(&self) -> String {
        let mut text = HEADER.to_owned();
        let mut line = |key: &str, value: &dyn std::fmt::Display| {
            let _ = write!(text, "\n{key} {value}");
        };
        self.protections.iter().for_each(|protection| line("protect", &protection));
        self.partly.iter().for_each(|protection| line("partly", &protection));
        if self.landlock > 0 {
            line("landlock", &self.landlock);
        }
        for (key, limit) in LIMITS {
            if let Some(limit) = limit(&mut self.limits.clone()) {
                line(key, &limit);
            }
        }
        for (access, path) in &self.paths {
            let (key, _) = Access::ALL.iter().find(|(_, other)| other == access).expect("a listed access");
            line(key, &encode(path));
        }
        for (key, is_set) in [("launched", self.is_launched), ("kill-on-violation", self.kills)] {
            if is_set {
                text.push('\n');
                text.push_str(key);
            }
        }
        text
    }

    /// # Errors
    /// The cause if the text is not a policy of this version.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BYTES {
            return Err(format!("the policy has {} bytes; it may have {MAX_BYTES}", text.len()));
        }
        let mut lines = text.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(format!("the policy does not begin with `{HEADER}`"));
        }
        let mut policy = Self::default();
        for line in lines {
            policy.parse_line(line).ok_or_else(|| format!("the policy has an invalid line {line:?}"))?;
        }
        Ok(policy)
    }

    fn parse_line(&mut self, line: &str) -> Option<()> {
        let Some((key, value)) = line.split_once(' ') else {
            match line {
                "launched" => self.is_launched = true,
                "kill-on-violation" => self.kills = true,
                _ => return None,
            }
            return Some(());
        };
        if let Some((_, access)) = Access::ALL.iter().find(|(name, _)| *name == key) {
            self.paths.push((*access, decode(value)?));
            return Some(());
        }
        if let Some((_, limit)) = LIMITS.iter().find(|(name, _)| *name == key) {
            *limit(&mut self.limits) = Some(number(value)?);
            return Some(());
        }
        match key {
            "protect" => self.protections.insert(Protection::from_name(value)?),
            "partly" => self.partly.insert(Protection::from_name(value)?),
            "landlock" => {
                self.landlock =
                    u8::try_from(number(value)?).ok().filter(|abi| (1..=MAX_LANDLOCK).contains(abi))?;
            }
            _ => return None,
        }
        Some(())
    }
}

type Limit = fn(&mut Limits) -> &mut Option<u64>;

const LIMITS: [(&str, Limit); 4] = [
    ("memory", |limits| &mut limits.memory),
    ("cpu-time", |limits| &mut limits.cpu_time),
    ("open-files", |limits| &mut limits.open_files),
    ("file-size", |limits| &mut limits.file_size),
];

/// Parses a decimal number. Signs and leading zeros are errors.
fn number(text: &str) -> Option<u64> {
    let is_decimal =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_decimal)
}

fn encode(path: &Path) -> String {
    let mut text = String::new();
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'%' | ..b'!' | b'\x7f'.. => {
                let _ = write!(text, "%{byte:02x}");
            }
            byte => text.push(char::from(byte)),
        }
    }
    text
}

/// Returns `None` unless the text is what [`encode`] writes for an absolute path without a zero.
fn decode(text: &str) -> Option<PathBuf> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        bytes.push(match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                rest = tail;
                let digit = |digit: &u8| char::from(*digit).to_digit(16);
                u8::try_from(digit(high)? * 16 + digit(low)?).ok()?
            }
            (byte, _) => *byte,
        });
    }
    let path = PathBuf::from(OsString::from_vec(bytes));
    let is_valid = path.is_absolute() && !path.as_os_str().as_bytes().contains(&0) && encode(&path) == text;
    is_valid.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Policy {
        Policy {
            is_launched: true,
            kills: true,
            protections: ProtectionSet::of(&[Protection::FileRead, Protection::Tcp]),
            partly: ProtectionSet::of(&[Protection::NewCode]),
            landlock: 6,
            limits: Limits {
                memory: Some(512),
                cpu_time: None,
                open_files: Some(0),
                file_size: Some(u64::MAX),
            },
            paths: vec![
                (Access::Read, "/usr/share/with space".into()),
                (Access::Write, PathBuf::from(OsString::from_vec(b"/\xff%\n".to_vec()))),
                (Access::Execute, "/bin/sh".into()),
                (Access::Load, "/lib/loader".into()),
            ],
        }
    }

    #[test]
    fn a_policy_is_read_as_it_was_written() {
        for policy in [Policy::default(), example()] {
            assert_eq!(Policy::parse(&policy.to_text()), Ok(policy));
        }
        let text = example().to_text();
        assert!(text.contains("\nread /usr/share/with%20space\nwrite /%ff%25%0a\n"), "{text}");
    }

    #[test]
    fn a_text_that_is_not_understood_is_an_error() {
        let long = format!("{HEADER}\nread /{}", "a".repeat(MAX_BYTES));
        for text in [
            "",
            "isolated-workers-sandbox 2",
            "isolated-workers-sandbox 1\n",
            "isolated-workers-sandbox 1\nlaunched ",
            "isolated-workers-sandbox 1\nprotect everything",
            "isolated-workers-sandbox 1\nlandlock 7",
            "isolated-workers-sandbox 1\nlandlock 0",
            "isolated-workers-sandbox 1\nmemory -1",
            "isolated-workers-sandbox 1\nmemory +1",
            "isolated-workers-sandbox 1\nmemory 01",
            "isolated-workers-sandbox 1\nmemory 18446744073709551616",
            "isolated-workers-sandbox 1\nread relative",
            "isolated-workers-sandbox 1\nread /%zz",
            "isolated-workers-sandbox 1\nread /%00",
            "isolated-workers-sandbox 1\nread /%2",
            "isolated-workers-sandbox 1\nread /%FF",
            "isolated-workers-sandbox 1\nread /a b",
            &long,
        ] {
            assert!(Policy::parse(text).is_err(), "{text:.60}");
        }
    }
}
