//! What Windows has its own ways for.
#![allow(unsafe_code)]

use std::process::Command;

// SAFETY: the C runtime calls what is in this section, one after the other.
#[used]
#[unsafe(link_section = ".CRT$XCU")]
static PRINT: extern "C" fn() = crate::constructor::print;

/// A program that prints this word.
pub(super) fn echo(word: &str) -> Command {
    let mut command = Command::new("cmd");
    command.args(["/c", "echo", word]);
    command
}
