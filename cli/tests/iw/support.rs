//! Runs `iw` and the workers.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// Examples that the tests start.
const EXAMPLES: [&str; 7] =
    ["calculator_worker", "codec_worker", "detached", "log_tail", "progress", "quickstart", "typed_worker"];

/// Root of the project.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Path of `iw`.
pub(crate) fn iw() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_iw"))
}

/// Folder of the examples, built at the first call.
pub(crate) fn examples() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let target = iw().parent().unwrap().parent().unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(root()).args(["build", "--quiet", "--locked", "--target-dir"]).arg(target);
        // With the features of the whole workspace, as the tests are built.
        cargo.arg("--workspace");
        cargo.args(EXAMPLES.iter().flat_map(|name| ["--example", name]));
        assert!(cargo.status().unwrap().success(), "the examples do not compile");
        target.join("debug/examples")
    })
}

/// Path of an example worker.
pub(crate) fn example(name: &str) -> String {
    assert!(EXAMPLES.contains(&name), "add {name} to EXAMPLES");
    examples().join(name).to_str().unwrap().to_owned()
}

/// Result of a command.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs `iw` without input.
pub(crate) fn run(args: &[&str]) -> Ran {
    run_with(args, "")
}

/// Runs `iw` with this text as its standard input.
pub(crate) fn run_with(args: &[&str], input: &str) -> Ran {
    let mut command = Command::new(iw());
    command.current_dir(root()).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // The command may end before it has read everything.
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    Ran {
        code: status.code().expect("an exit code"),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
    }
}

/// Returns `true` if there is a program that succeeds. Otherwise says that a test is skipped.
pub(crate) fn has(program: &str, args: &[&str]) -> bool {
    let has = Command::new(program).args(args).output().is_ok_and(|output| output.status.success());
    if !has {
        eprintln!("skipped: no suitable {program} in PATH");
    }
    has
}
