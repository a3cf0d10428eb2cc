//! Compile errors for likely mistakes. `TRYBUILD=overwrite` updates the expected output.

use std::process::Command;

/// Compiler version that produced `ui/rustc`. Other versions use other wording.
const RUSTC: &str = "rustc 1.95.";

#[test]
fn compile_errors_name_a_remedy() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("service/ui/macro/*.rs");
    let version = Command::new("rustc").arg("--version").output().expect("the compiler's version");
    if version.stdout.starts_with(RUSTC.as_bytes()) {
        cases.compile_fail("service/ui/rustc/*.rs");
    }
}
