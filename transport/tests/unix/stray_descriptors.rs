//! Descriptors that a worker inherits by accident are closed, and those of its own libraries stay
//! open.

use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Command, Stdio, exit};

use isolated_workers_transport::{Bound, STRAY_DESCRIPTORS_VARIABLE, Transport, UnixSocket};
use rustix::io::FdFlags;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::{program, runtime, with_transport, worker};

/// A library that logs from its constructor and its destructor, to a descriptor that children
/// inherit.
const LOGGING_LIBRARY: &str = r#"
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
static int log_file = -1;
__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("TRANSPORT_TEST_LOG");
    if (path) log_file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (log_file >= 0 && write(log_file, "constructor\n", 12) < 0) abort();
}
__attribute__((destructor)) static void end(void) {
    if (log_file >= 0 && write(log_file, "destructor\n", 11) < 0) abort();
}
"#;

#[test]
fn a_preloaded_library_keeps_its_descriptor_and_its_log_stays_out_of_the_connection() {
    let dir = tempfile::tempdir().unwrap();
    let library = dir.path().join("liblogging.so");
    if let Err(reason) = compile(LOGGING_LIBRARY, &library) {
        eprintln!("skipped: {reason}");
        return;
    }
    for name in ["unix-socket", "socket-pair", "stdio", "named-pipe"] {
        let log = dir.path().join(name);
        with_transport!(name, transport => echo_with_library(&transport, &library, &log));
        assert_eq!(std::fs::read_to_string(log).unwrap(), "constructor\ndestructor\n", "{name}");
    }
}

/// Exchanges a byte with a worker that has loaded `library` and exits while the channel is open.
fn echo_with_library<T: Transport>(transport: &T, library: &Path, log: &Path) {
    let mut bound = transport.bind().unwrap();
    let mut command = worker(transport, "exits", bound.inheritance());
    let mut child = command.env("LD_PRELOAD", library).env("TRANSPORT_TEST_LOG", log).spawn().unwrap();
    drop(command);
    runtime().block_on(async {
        let mut channel = bound.establish().await.unwrap();
        channel.writer.write_all(b"x").await.unwrap();
        let mut received = Vec::new();
        channel.reader.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"x", "{}", String::from_utf8_lossy(&received));
    });
    assert!(child.wait().unwrap().success());
}

fn compile(source: &str, library: &Path) -> Result<(), String> {
    let file = library.with_extension("c");
    std::fs::write(&file, source).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"]).arg(library).arg(&file);
    let output = cc.output().map_err(|error| format!("there is no C compiler: {error}"))?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

#[test]
fn a_worker_closes_a_descriptor_that_its_host_would_pass_on() {
    assert_eq!(state_in_worker("listed"), "closed");
}

#[test]
fn a_worker_without_a_list_closes_nothing() {
    assert_eq!(state_in_worker("unlisted"), "open");
}

#[test]
fn a_worker_keeps_a_listed_number_that_refers_to_another_file() {
    assert_eq!(state_in_worker("other-file"), "open");
}

/// Returns the state of an inheritable descriptor of the host in its worker: "open" or "closed".
///
/// The host is a separate process: the workers of other tests must not inherit the descriptor.
fn state_in_worker(list: &str) -> String {
    let output = program(&format!("stray-host {list}")).stderr(Stdio::piped()).output().unwrap();
    let report = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{report}");
    report.lines().last().unwrap_or_default().to_owned()
}

/// Role of the host: starts a worker that reports the state of a descriptor.
pub(crate) fn host(list: &str) -> ! {
    /// Higher than any number that the worker uses itself.
    const NUMBER: i32 = 200;
    let file = tempfile::tempfile().unwrap();
    let stray = rustix::io::fcntl_dupfd_cloexec(&file, NUMBER).unwrap();
    rustix::io::fcntl_setfd(&stray, FdFlags::empty()).unwrap();
    let number = stray.as_raw_fd();

    let mut bound = UnixSocket.bind().unwrap();
    let mut command = worker(&UnixSocket, &format!("reports {number}"), bound.inheritance());
    match list {
        "listed" => &mut command,
        "unlisted" => command.env_remove(STRAY_DESCRIPTORS_VARIABLE),
        "other-file" => command.env(STRAY_DESCRIPTORS_VARIABLE, format!("{number}:0-0")),
        _ => panic!("{list} is not a list"),
    };
    let status = command.status().unwrap();
    exit(status.code().unwrap())
}

/// Role of the worker: prints the state of the descriptor.
pub(crate) fn report(number: &str) -> ! {
    let is_open = Path::new("/proc/self/fd").join(number).symlink_metadata().is_ok();
    eprintln!("{}", if is_open { "open" } else { "closed" });
    exit(0)
}
