use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Environment variable that is set for a test in its own process.
const ALONE_VARIABLE: &str = "ISOLATED_WORKERS_TEST_ALONE";

/// Number of directories that this process has created.
static DIRECTORIES: AtomicU32 = AtomicU32::new(0);

/// Runs a case on a new current-thread runtime.
///
/// # Panics
/// If the case panics, or the runtime cannot be created.
pub fn check<O>(case: impl Future<Output = O>) -> O {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a case can create a tokio runtime").block_on(case)
}

/// Runs a test in its own process, with its own directory for temporary files. Use it for a test
/// that counts resources of the whole process. `test` is the full path of the calling test,
/// starting with its crate.
///
/// ```no_run
/// # use isolated_workers_runtime::testing::conformance::alone;
/// #[test]
/// fn counts() {
///     alone(concat!(module_path!(), "::counts"), || assert_eq!(1 + 1, 2));
/// }
/// ```
///
/// # Panics
/// If the test fails in its process, or leaves a file in the directory.
pub fn alone(test: &str, run: impl FnOnce()) {
    if std::env::var_os(ALONE_VARIABLE).is_some() {
        return run();
    }
    let name = test.split_once("::").map_or(test, |(_, name)| name);
    // Short, because paths of sockets are limited.
    let number = DIRECTORIES.fetch_add(1, Ordering::Relaxed);
    let directory = std::env::temp_dir().join(format!("iw-{}-{number}", std::process::id()));
    std::fs::create_dir(&directory).expect("the directory for the test can be created");
    let output = Command::new(std::env::current_exe().expect("this program has a path"))
        .args(["--exact", name])
        .env(ALONE_VARIABLE, "1")
        .envs(["TMPDIR", "TMP", "TEMP"].map(|key| (key, &directory)))
        .output()
        .expect("the test can be started again");
    let left = std::fs::read_dir(&directory).map_or(0, Iterator::count);
    let _ = std::fs::remove_dir_all(&directory);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}");
    assert_eq!(left, 0, "`{name}` left files behind");
}
