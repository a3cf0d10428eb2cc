//! Private working directories of workers, and their removal.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use isolated_workers::ErrorKind;
use isolated_workers::driver::Attach;
use isolated_workers::host::OnCrash;
use isolated_workers_test_support::process::{PidFd, kill};
use isolated_workers_test_support::{assert_error, entries, runtime};
use tempfile::TempDir;

use super::*;

/// Folder in which the workers have their directories.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn program(&self) -> Program {
        Program::new(WORKER).scratch_dir_in(self.0.path())
    }

    async fn start(&self) -> (Worker, PathBuf) {
        let worker = soon(Worker::builder(self.program()).spawn()).await.unwrap();
        let dir = dir_of(&worker).await;
        (worker, dir)
    }
}

async fn dir_of(worker: &Worker) -> PathBuf {
    PathBuf::from(soon(FaultsClient::new(worker.clone()).current_dir()).await.unwrap())
}

/// Waits until a background thread has removed the directory. Polls, because it sends no event.
async fn removed(dir: &Path) {
    soon(async {
        while dir.exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn each_worker_starts_in_a_private_directory_of_its_own() {
    let folder = Folder::new();
    let ((first, dir), (_second, other)) = (folder.start().await, folder.start().await);
    assert_ne!(dir, other);
    assert_eq!(dir.parent().unwrap(), folder.0.path().canonicalize().unwrap());
    assert_eq!(dir.metadata().unwrap().permissions().mode() & 0o7777, 0o700);
    assert!(entries(&dir).is_empty());
    let environment = soon(FaultsClient::new(first).environment()).await.unwrap();
    let name = dir.file_name().unwrap().to_str().unwrap();
    let variable = environment.iter().find_map(|it| it.strip_prefix("ISOLATED_WORKERS_SCRATCH_DIR="));
    assert!(variable.is_some_and(|path| path.ends_with(name)), "{environment:?}");
}

#[tokio::test]
async fn the_directory_is_removed_with_its_contents_however_the_worker_ends() {
    let (folder, outside) = (Folder::new(), tempfile::tempdir().unwrap());
    std::fs::write(outside.path().join("file"), "kept").unwrap();
    for end in ["close", "drain", "kill", "SIGKILL", "abort", "exit", "drop"] {
        let (worker, dir) = folder.start().await;
        std::fs::create_dir_all(dir.join("a/b")).unwrap();
        std::fs::write(dir.join("a/b/file"), "gone").unwrap();
        symlink(outside.path(), dir.join("a/link")).unwrap();
        let client = FaultsClient::new(worker.clone());
        match end {
            "close" => soon(worker.close()).await.unwrap(),
            "drain" => soon(worker.drain()).await.unwrap(),
            "kill" => worker.kill(),
            "SIGKILL" => kill(worker.pid()),
            "abort" => drop(soon(client.abort()).await),
            "exit" => drop(soon(client.exit(3)).await),
            _ => {}
        }
        if end != "drop" {
            soon(worker.closed()).await;
            assert!(!dir.exists(), "{end}: the directory is gone when the worker is");
        }
        drop((client, worker));
        removed(&dir).await;
        assert_eq!(entries(outside.path()).len(), 1, "{end}: a link is not followed");
    }
    assert!(entries(folder.0.path()).is_empty());
}

#[tokio::test]
async fn a_respawned_worker_has_a_fresh_directory() {
    let folder = Folder::new();
    let builder = Worker::builder(folder.program()).on_crash(OnCrash::respawn());
    let worker = soon(builder.spawn()).await.unwrap();
    let first = dir_of(&worker).await;
    std::fs::write(first.join("file"), "of the first").unwrap();
    kill(worker.pid());
    soon(async { while FaultsClient::new(worker.clone()).is_worker().await.is_err() {} }).await;
    let second = dir_of(&worker).await;
    assert_ne!(first, second);
    assert!(!first.exists() && entries(&second).is_empty());
}

#[test]
fn the_directory_is_removed_if_the_runtime_of_the_host_is_dropped() {
    let (folder, home) = (Folder::new(), runtime());
    let (_worker, dir) = home.block_on(folder.start());
    std::fs::write(dir.join("file"), "gone").unwrap();
    drop(home);
    runtime().block_on(removed(&dir));
}

#[tokio::test]
async fn a_later_host_removes_abandoned_directories_and_no_others() {
    let folder = Folder::new();
    let (_worker, used) = folder.start().await;
    let abandoned = folder.0.path().join("isolated-worker-abandoned");
    let foreign = folder.0.path().join("something-else");
    std::fs::create_dir_all(abandoned.join("a/b")).unwrap();
    std::fs::create_dir(&foreign).unwrap();
    symlink(&foreign, folder.0.path().join("isolated-worker-link")).unwrap();
    let _next = folder.start().await;
    removed(&abandoned).await;
    assert!(used.exists() && foreign.exists());
}

#[tokio::test]
async fn the_directory_of_a_detached_worker_stays_until_the_worker_has_ended() {
    let folder = Folder::new();
    let builder = Worker::builder(
        folder
            .program()
            .stderr(isolated_workers::driver::Output::Discard)
            .stdout(isolated_workers::driver::Output::Discard),
    );
    let worker = soon(builder.spawn()).await.unwrap();
    let (dir, process) = (dir_of(&worker).await, PidFd::open(worker.pid()));
    let address = soon(worker.detach()).await.unwrap();
    drop(worker);
    // Another host looks for abandoned directories.
    let abandoned = folder.0.path().join("isolated-worker-abandoned");
    std::fs::create_dir(&abandoned).unwrap();
    let _next = folder.start().await;
    removed(&abandoned).await;
    assert!(dir.exists(), "the detached worker uses it");
    let attached = soon(Worker::builder(Attach::new(address)).spawn()).await.unwrap();
    soon(attached.close()).await.unwrap();
    assert!(process.ends_within(HANG_TIMEOUT));
    std::fs::create_dir(&abandoned).unwrap();
    let _last = folder.start().await;
    removed(&abandoned).await;
    removed(&dir).await;
}

#[tokio::test]
async fn a_directory_that_cannot_be_created_is_an_error_with_its_folder() {
    let program = Program::new(WORKER).scratch_dir_in("/no/such/folder");
    let error = soon(Worker::builder(program).spawn()).await.unwrap_err();
    assert_error(&error, ErrorKind::Spawn, &["/no/such/folder", "`Program::scratch_dir_in`", "No such file"]);
    let folder = Folder::new();
    let missing = Program::new("/no/such/worker").scratch_dir_in(folder.0.path());
    soon(Worker::builder(missing).spawn()).await.unwrap_err();
    assert!(entries(folder.0.path()).is_empty(), "nothing stays if the program does not start");
}
