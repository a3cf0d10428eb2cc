//! Sockets that the worker binds.

use std::fs::Permissions;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use isolated_workers_transport::{Bound, Reconnect, Transport, UnixSocket, WorkerSocketBound};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixSocket as Unbound;
use tokio::time::timeout;

use super::support::{assert_no_file, file, play, runtime, start, stderr_of};

/// Time after which a test counts as hung.
const HANG_TIMEOUT: Duration = Duration::from_secs(20);

fn bound() -> (WorkerSocketBound, PathBuf) {
    let mut bound = UnixSocket::bound_by_worker().bind().unwrap();
    let path = file(&bound.inheritance().address).unwrap();
    (bound, path)
}

#[test]
fn a_worker_is_reached_again_and_leaves_no_file() {
    runtime().block_on(async {
        let (bound, mut child, address) = start(&UnixSocket::bound_by_worker(), "again");
        let mut channel = timeout(HANG_TIMEOUT, bound.establish()).await.unwrap().unwrap();
        channel.writer.write_u8(b'+').await.unwrap();
        assert_eq!(channel.reader.read_u8().await.unwrap(), 1);
        drop((channel.reader, channel.writer));
        let mut again = UnixSocket::bound_by_worker().dial(&address).await.unwrap();
        again.writer.write_all(b"+q").await.unwrap();
        assert_eq!(again.reader.read_u8().await.unwrap(), 2);
        assert!(child.wait().unwrap().success());
        drop((again, channel.cleanup));
        assert_no_file(&address);
    });
}

#[test]
fn only_the_user_can_access_the_directory_and_a_rust_workers_socket() {
    runtime().block_on(async {
        let (bound, mut child, address) = start(&UnixSocket::bound_by_worker(), "echo");
        let channel = timeout(HANG_TIMEOUT, bound.establish()).await.unwrap().unwrap();
        let socket = file(&address).unwrap();
        assert_eq!(socket.parent().unwrap().metadata().unwrap().mode() & 0o7777, 0o700);
        assert_eq!(socket.symlink_metadata().unwrap().mode() & 0o7777, 0o600);
        drop(channel);
        child.wait().unwrap();
        assert_no_file(&address);
    });
}

#[test]
fn a_worker_removes_socket_and_directory_if_its_host_is_killed() {
    runtime().block_on(async {
        let (bound, mut child, address) = start(&UnixSocket::bound_by_worker(), "hangup");
        let channel = timeout(HANG_TIMEOUT, bound.establish()).await.unwrap().unwrap();
        // A killed host removes nothing.
        channel.cleanup.as_ref().unwrap().disarm();
        drop(channel);
        assert!(stderr_of(&mut child).contains("hung up"));
        assert!(child.wait().unwrap().success());
        assert_no_file(&address);
    });
}

/// The test performs the worker's steps itself, one after the other.
#[test]
fn establish_waits_until_the_socket_listens() {
    runtime().block_on(async {
        let (bound, path) = bound();
        let mut connected = tokio::spawn(bound.establish());
        std::fs::write(path.with_file_name("something-else"), "").unwrap();
        assert!(timeout(Duration::from_millis(30), &mut connected).await.is_err(), "there is no socket yet");

        let socket = Unbound::new_stream().unwrap();
        socket.bind(&path).unwrap();
        assert!(timeout(Duration::from_millis(30), &mut connected).await.is_err(), "it does not listen yet");

        let listener = UnixListener::from(socket.as_fd().try_clone_to_owned().unwrap());
        rustix::net::listen(&listener, 1).unwrap();
        let channel = timeout(HANG_TIMEOUT, connected).await.unwrap().unwrap().unwrap();
        std::fs::remove_file(path.with_file_name("something-else")).unwrap();
        drop(channel);
        assert!(!path.parent().unwrap().exists());
    });
}

#[test]
fn establish_sees_a_socket_that_is_moved_into_place() {
    runtime().block_on(async {
        let elsewhere = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(elsewhere.path().join("socket")).unwrap();
        let (bound, path) = bound();
        let connected = tokio::spawn(bound.establish());
        tokio::task::yield_now().await;
        std::fs::rename(elsewhere.path().join("socket"), &path).unwrap();
        timeout(HANG_TIMEOUT, connected).await.unwrap().unwrap().unwrap();
        drop(listener);
    });
}

#[test]
fn a_cancelled_establish_leaves_no_file() {
    runtime().block_on(async {
        let (given_up, path) = bound();
        assert!(timeout(Duration::from_millis(1), given_up.establish()).await.is_err());
        assert!(!path.parent().unwrap().exists());

        let (given_up, path) = bound();
        let _bound_and_never_listening = {
            let socket = Unbound::new_stream().unwrap();
            socket.bind(&path).unwrap();
            socket
        };
        assert!(timeout(Duration::from_millis(1), given_up.establish()).await.is_err());
        assert!(!path.parent().unwrap().exists());
    });
}

#[test]
fn only_a_dead_socket_at_a_path_is_replaced() {
    let runtime = runtime();
    let _runtime = runtime.enter();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("worker");
    let transport = UnixSocket::bound_by_worker().at(&path);

    std::fs::write(&path, "precious").unwrap();
    let error = transport.bind().unwrap_err().to_string();
    assert!(error.contains("is not a socket"), "{error}");
    std::fs::remove_file(&path).unwrap();

    let listener = UnixListener::bind(&path).unwrap();
    let error = transport.bind().unwrap_err().to_string();
    assert!(error.contains("another process listens there"), "{error}");
    drop(listener);
    // A child of another test inherits the listener until its program has started.
    while UnixStream::connect(&path).is_ok() {
        std::thread::yield_now();
    }

    drop(transport.bind().unwrap());
    assert!(!path.exists() && dir.path().exists());
}

#[test]
fn the_socket_of_another_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can become another user");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), Permissions::from_mode(0o1777)).unwrap();
    let copy = dir.path().join("stranger");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    std::fs::set_permissions(&copy, Permissions::from_mode(0o755)).unwrap();
    let path = dir.path().join("worker");
    runtime().block_on(async {
        let bound = UnixSocket::bound_by_worker().at(&path).bind().unwrap();
        let mut command = std::process::Command::new(&copy);
        play(&mut command, &format!("listen {}", path.display()));
        let mut stranger =
            command.gid(65534).uid(65534).current_dir("/").stdin(Stdio::piped()).spawn().unwrap();
        let error = timeout(HANG_TIMEOUT, bound.establish()).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
        assert!(error.to_string().contains("runs as user 65534"), "{error}");
        drop(stranger.stdin.take());
        assert!(stranger.wait().unwrap().success());
    });
}

/// Role of the stranger: listens until its standard input ends.
pub(crate) fn listen(path: &str) -> ! {
    let _listener = UnixListener::bind(path).unwrap();
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    std::process::exit(0)
}
