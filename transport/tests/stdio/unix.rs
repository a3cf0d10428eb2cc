//! Constructor and `echo` on Unix.
#![allow(unsafe_code)]

use std::process::Command;

// SAFETY: the loader calls the functions in this section, one after the other.
#[used]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array.00001"))]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
static PRINT: extern "C" fn() = crate::printers::print_in_constructor;

/// Returns a program that prints this word.
pub(super) fn echo(word: &str) -> Command {
    let mut command = Command::new("echo");
    command.arg(word);
    command
}
