//! What the compiler says about the mistakes that are likely. `TRYBUILD=overwrite` writes down what it says today.

use std::process::Command;

/// The compiler whose words are in `ui/rustc`; others say the same in others.
const RUSTC: &str = "rustc 1.95.";

#[test]
fn mistakes_say_what_to_do() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("service/ui/macro/*.rs");
    let version = Command::new("rustc").arg("--version").output().expect("the compiler's version");
    if version.stdout.starts_with(RUSTC.as_bytes()) {
        cases.compile_fail("service/ui/rustc/*.rs");
    }
}
