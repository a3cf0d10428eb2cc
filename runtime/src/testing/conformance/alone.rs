use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Set for a test that has a process of its own.
const ALONE: &str = "ISOLATED_WORKERS_TEST_ALONE";

/// How many folders this process has made.
static FOLDERS: AtomicU32 = AtomicU32::new(0);

/// Runs a case on a current-thread runtime of its own.
pub fn check<O>(case: impl Future<Output = O>) -> O {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime for the case").block_on(case)
}

/// Runs a test in a process of its own, with a folder for temporary files of its own, because it counts what the whole
/// process has. `test` is the path of the test that calls this, with the name of its crate in front.
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
/// Where the test fails there, or leaves a file in that folder.
pub fn alone(test: &str, run: impl FnOnce()) {
    if std::env::var_os(ALONE).is_some() {
        return run();
    }
    let name = test.split_once("::").map_or(test, |(_, name)| name);
    // Short, because the path of a socket in it is.
    let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("iw-{}-{number}", std::process::id()));
    std::fs::create_dir(&folder).expect("a folder for the test");
    let output = Command::new(std::env::current_exe().expect("the path of this program"))
        .args(["--exact", name])
        .env(ALONE, "1")
        .envs(["TMPDIR", "TMP", "TEMP"].map(|key| (key, &folder)))
        .output()
        .expect("the test starts again");
    let left = std::fs::read_dir(&folder).map_or(0, Iterator::count);
    let _ = std::fs::remove_dir_all(&folder);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(left, 0, "`{name}` left files behind");
}
