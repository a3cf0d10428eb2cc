//! Constructor and `echo` on Windows.
#![allow(unsafe_code)]

use std::process::Command;

// SAFETY: the C runtime calls the functions in this section, one after the other.
#[used]
#[unsafe(link_section = ".CRT$XCU")]
static PRINT: extern "C" fn() = crate::printers::print_in_constructor;

/// Returns a program that prints this word.
pub(super) fn echo(word: &str) -> Command {
    let mut command = Command::new("cmd");
    command.args(["/c", "echo", word]);
    command
}
