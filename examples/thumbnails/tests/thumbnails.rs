//! The example `thumbnails`, run as a user would run it: its files, its output, and its cleanup.

#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use isolated_workers_test_support::entries as names;
use isolated_workers_test_support::process::{self, PidFd};
use rustix::process::Signal;
use tempfile::TempDir;

/// Time after which a run counts as hanging. The longest takes 25 s on two idle cores.
const HANG_TIMEOUT: Duration = Duration::from_secs(300);

/// Samples that no decoder accepts.
const BROKEN: [&str; 3] = ["bomb.png", "broken.png", "not-an-image.jpg"];

#[test]
fn valid_images_are_written_and_broken_ones_are_named() {
    let out = TempDir::new().unwrap();
    fs::write(out.path().join("julia.png.png.part"), "partial file of a killed host").unwrap();
    let run = run(thumbnails().arg(samples()).arg(out.path()).args(["--size", "100"]));
    assert_eq!(run.status.code(), Some(1), "{}", run.stderr);
    assert_eq!(run.failed_files(), BROKEN, "{}", run.stderr);
    assert!(run.stdout.contains("12 written, 3 failed, 0 retried, 0 workers replaced"), "{}", run.stdout);
    assert_eq!(names(out.path()), valid_images().iter().map(|name| format!("{name}.png")).collect());
    for name in names(out.path()) {
        let (width, height) = size_of_png(&out.path().join(&name));
        assert_eq!(width.max(height), 100, "{name} is {width}x{height}");
    }
}

#[test]
fn without_arguments_workers_are_killed_and_no_image_is_lost() {
    let run = run(&mut thumbnails());
    assert_eq!(run.status.code(), Some(0), "{}{}", run.stdout, run.stderr);
    for expected in [
        "one thread of this process: 2400 images",
        "worker processes: 2400 images",
        "600 files were refused, for three reasons:\n",
        "200 x bomb.png: the image is too large",
        "none was lost: 2400 written + 600 refused = 3000\n",
    ] {
        assert_eq!(run.stdout.matches(expected).count(), 1, "{expected}: {}", run.stdout);
    }
    let killed = run.stdout.split_once(" busy workers were killed").unwrap().0.rsplit('\n').next().unwrap();
    assert!(killed.parse::<u32>().unwrap() > 0, "{}", run.stdout);
    assert_eq!(run.stderr, "", "each error is printed once");
}

#[test]
fn help_is_printed_on_standard_output() {
    for option in ["--help", "-h"] {
        let run = run(thumbnails().arg(option));
        assert_eq!((run.status.code(), run.stderr.as_str()), (Some(0), ""));
        assert!(run.stdout.starts_with("usage: thumbnails"), "{}", run.stdout);
    }
}

#[test]
fn names_that_are_not_utf8_are_scaled() {
    let (folder, out) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let name = OsStr::from_bytes(b"\xff.png");
    fs::copy(samples().join("julia.png"), folder.path().join(name)).unwrap();
    let run = run(thumbnails().arg(folder.path()).arg(out.path()));
    assert_eq!(run.status.code(), Some(0), "{}", run.stderr);
    assert!(out.path().join(OsStr::from_bytes(b"\xff.png.png")).exists());
}

#[test]
fn a_reader_of_the_output_may_go_away() {
    let out = TempDir::new().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let writers = [writer.try_clone().unwrap(), writer];
    let [stdout, stderr] = writers.map(Stdio::from);
    let status = thumbnails().arg(samples()).arg(out.path()).stdout(stdout).stderr(stderr).status().unwrap();
    assert_eq!(status.code(), Some(1), "the broken samples failed");
    assert_eq!(names(out.path()).len(), valid_images().len());
}

#[test]
fn thumbnails_are_the_same_without_isolation() {
    let (isolated, in_process) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    run(thumbnails().arg(samples()).arg(isolated.path()));
    let run = run(thumbnails().arg(samples()).arg(in_process.path()).arg("--in-process"));
    assert_eq!((run.status.code(), run.failed_files()), (Some(1), BROKEN.map(str::to_owned).to_vec()));
    assert_eq!(names(isolated.path()), names(in_process.path()));
    for name in names(isolated.path()) {
        let read = |folder: &TempDir| fs::read(folder.path().join(&name)).unwrap();
        assert!(read(&isolated) == read(&in_process), "{name} differs");
    }
}

#[test]
fn a_kill_every_100_ms_loses_no_image() {
    const COPIES: usize = 40;
    const KILL_INTERVAL: Duration = Duration::from_millis(100);
    let (folder, out) = (copies(COPIES), TempDir::new().unwrap());
    let mut host = Host::start(thumbnails().arg(folder.path()).arg(out.path()));
    // Time of the last kill, and number of images at that time. A kill waits until 20 images are
    // written, which the slowest image does not last. Otherwise, on a slow machine, an image could
    // be killed until its attempts are used up.
    let mut last_kill: Option<(Instant, usize)> = None;
    let mut kills = 0;
    let end = within(HANG_TIMEOUT, "the end", || {
        let written = names(out.path()).len();
        let is_time = match last_kill {
            Some((at, before)) => at.elapsed() > KILL_INTERVAL && written > before + 20,
            None => written > 0,
        };
        if let (true, Some(&worker)) = (is_time, process::children_of(host.0.id()).first()) {
            process::kill(worker);
            last_kill = Some((Instant::now(), written));
            kills += 1;
        }
        host.0.try_wait().unwrap()
    });
    let run = host.output(end);
    assert_eq!(end.code(), Some(0), "{}{}", run.stdout, run.stderr);
    let replaced: u32 =
        run.stdout.split_once(" workers replaced").unwrap().0.rsplit(' ').next().unwrap().parse().unwrap();
    // A kill after the last image hits a worker that needs no replacement.
    assert!((1..=kills).contains(&replaced), "{kills} kills: {}", run.stdout);
    for name in valid_images() {
        let thumbnail = |copy: usize| fs::read(out.path().join(format!("{copy}-{name}.png"))).unwrap();
        let first = thumbnail(0);
        assert!((1..COPIES).all(|copy| thumbnail(copy) == first), "the thumbnails of {name} differ");
    }
    assert_eq!(names(out.path()).len(), COPIES * valid_images().len());
}

/// A file size limit kills a worker that writes a larger thumbnail.
#[test]
fn only_an_image_that_kills_its_workers_is_given_up() {
    const TOO_LARGE: [&str; 2] = ["julia.jpg", "julia.webp"];
    let out = TempDir::new().unwrap();
    let limited = |args: &[&str]| {
        let mut command = Command::new("sh");
        // `ulimit -f` counts blocks of 512 bytes.
        command.args(["-c", r#"ulimit -c 0; ulimit -f 100; exec "$@""#, "sh"]);
        run(command.arg(env!("CARGO_BIN_EXE_thumbnails")).arg(samples()).arg(out.path()).args(args))
    };
    let run = limited(&[]);
    assert_eq!(run.status.code(), Some(1), "{}", run.stderr);
    assert_eq!(run.failed_files(), [&BROKEN[..2], &TOO_LARGE, &BROKEN[2..]].concat(), "{}", run.stderr);
    assert!(run.stderr.contains("julia.jpg: it killed 4 workers"), "{}", run.stderr);
    assert!(run.stdout.contains("10 written, 5 failed, 6 retried"), "{}", run.stdout);
    let expected = valid_images().into_iter().filter(|name| !TOO_LARGE.contains(&name.as_str()));
    assert_eq!(names(out.path()), expected.map(|name| format!("{name}.png")).collect());

    let without_isolation = limited(&["--in-process"]);
    assert_eq!(without_isolation.status.signal(), Some(Signal::XFSZ.as_raw()));
}

#[test]
fn ctrl_c_leaves_nothing_behind() {
    for args in [&[][..], &["--in-process"]] {
        let (folder, out, temporary) = (copies(100), TempDir::new().unwrap(), TempDir::new().unwrap());
        let mut command = thumbnails();
        command.arg(folder.path()).arg(out.path()).args(args).env("TMPDIR", temporary.path());
        let mut host = Host::start(&mut command);
        let begun = || (names(out.path()).len() > 2).then_some(());
        within(HANG_TIMEOUT, "the first thumbnails", begun);
        PidFd::open(host.0.id()).signal(Signal::INT);
        let end = within(HANG_TIMEOUT, "the end after Ctrl-C", || host.0.try_wait().unwrap());

        let run = host.output(end);
        assert_eq!(end.code(), Some(130), "{}{}", run.stdout, run.stderr);
        let written = names(out.path());
        assert!(written.len() < names(folder.path()).len(), "the host finished before Ctrl-C");
        assert!(written.iter().all(|name| name.ends_with(".png")), "{written:?}");
        assert_eq!(names(temporary.path()), BTreeSet::new());
        assert_eq!(processes_with(temporary.path()), Vec::<u32>::new());
    }
}

#[test]
fn invalid_arguments_exit_with_code_2_and_a_reason() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let (folder, file, samples) = (folder.path().to_str().unwrap(), file.to_str().unwrap(), samples());
    let samples = samples.to_str().unwrap();
    for (args, why) in [
        (&["--quick"][..], "unknown option --quick"),
        (&[folder], "pass two folders"),
        (&[folder, folder, folder], "pass two folders"),
        (&[samples, folder, "--size", "0"], "--size takes a number from 1"),
        (&[samples, folder, "--workers"], "--workers takes a number from 1"),
        (&["/not/there", folder], "could not read the folder /not/there"),
        (&[folder, folder], "no images (png, jpg, jpeg, gif, webp) in the folder"),
        (&[samples, file], "could not create the folder"),
    ] {
        let run = run(thumbnails().args(args));
        assert_eq!(run.status.code(), Some(2), "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(why), "{args:?}: {}", run.stderr);
        assert_eq!(run.stdout, "");
    }
}

fn thumbnails() -> Command {
    Command::new(env!("CARGO_BIN_EXE_thumbnails"))
}

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("images")
}

fn valid_images() -> BTreeSet<String> {
    let mut names = names(&samples());
    names.retain(|name| !BROKEN.contains(&name.as_str()));
    names
}

/// Folder with `count` copies of each valid image, such as `0-julia.png`.
fn copies(count: usize) -> TempDir {
    let folder = TempDir::new().unwrap();
    for name in valid_images() {
        for copy in 0..count {
            fs::copy(samples().join(&name), folder.path().join(format!("{copy}-{name}"))).unwrap();
        }
    }
    folder
}

/// Width and height of a PNG file. Asserts that the file is complete.
fn size_of_png(path: &Path) -> (u32, u32) {
    let bytes = fs::read(path).unwrap();
    assert!(bytes.starts_with(b"\x89PNG") && bytes.ends_with(b"IEND\xAE\x42\x60\x82"), "{}", path.display());
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

struct Run {
    status: ExitStatus,
    stdout: String,
    stderr: String,
}

impl Run {
    /// Files that standard error names, sorted.
    fn failed_files(&self) -> Vec<String> {
        let name = |line: &str| Some(line.split_once(": ")?.0.to_owned());
        let mut names: Vec<_> = self.stderr.lines().filter_map(name).collect();
        names.sort_unstable();
        names
    }
}

fn run(command: &mut Command) -> Run {
    let mut host = Host::start(command);
    let end = within(HANG_TIMEOUT, "the end", || host.0.try_wait().unwrap());
    host.output(end)
}

/// Started program, which is killed when this value is dropped.
struct Host(Child);

impl Host {
    fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    fn output(&mut self, status: ExitStatus) -> Run {
        let stdout = std::io::read_to_string(self.0.stdout.take().unwrap()).unwrap();
        let stderr = std::io::read_to_string(self.0.stderr.take().unwrap()).unwrap();
        Run { status, stdout, stderr }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Polls until there is a value. The example reports its progress through files only.
fn within<T>(limit: Duration, event: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = poll() {
            return value;
        }
        assert!(Instant::now() < deadline, "{event} did not happen within {limit:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Processes with this folder in their environment: the host, and every process that it started.
fn processes_with(folder: &Path) -> Vec<u32> {
    let folder = folder.to_str().unwrap();
    let has_folder = |process: &Path| {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(folder)
    };
    process::all().filter(|(_, process)| has_folder(process)).map(|(pid, _)| pid).collect()
}
