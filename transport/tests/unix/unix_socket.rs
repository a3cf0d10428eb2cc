//! Properties of sockets that get a name: reconnecting, permissions, files.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use isolated_workers_transport::{Bound, Channel, Reconnect, Transport, UnixSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::support::{assert_no_file, file, play, program, runtime, start};

#[test]
fn a_worker_is_reached_again_with_its_state() {
    let (bound, mut child, _) = start(&UnixSocket, "again");
    runtime().block_on(async {
        let Channel { mut reader, mut writer, deferred_listener, .. } = bound.establish().await.unwrap();
        for expected in 1..=2 {
            writer.write_u8(b'+').await.unwrap();
            assert_eq!(reader.read_u8().await.unwrap(), expected);
        }
        let (address, cleanup) = deferred_listener.unwrap().open().unwrap();
        drop((reader, writer));
        for expected in 3..=5 {
            let Channel { mut reader, mut writer, cleanup, .. } = UnixSocket.dial(&address).await.unwrap();
            cleanup.unwrap().disarm();
            writer.write_u8(b'+').await.unwrap();
            assert_eq!(reader.read_u8().await.unwrap(), expected);
        }
        UnixSocket.dial(&address).await.unwrap().writer.write_u8(b'q').await.unwrap();
        assert!(child.wait().unwrap().success());
        drop(cleanup);
        assert_no_file(&address);
        let error = UnixSocket.dial(&address).await.unwrap_err();
        assert!(error.to_string().contains("the worker has ended"), "{error}");
    });
}

#[test]
fn dialing_removes_a_dead_socket() {
    let (bound, mut child, _) = start(&UnixSocket, "dies");
    runtime().block_on(async {
        let mut channel = bound.establish().await.unwrap();
        assert_eq!(channel.reader.read_u8().await.unwrap(), b'x');
        let (address, cleanup) = channel.deferred_listener.take().unwrap().open().unwrap();
        cleanup.disarm();
        child.wait().unwrap();
        assert!(file(&address).unwrap().exists());
        let error = UnixSocket.dial(&address).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        assert_no_file(&address);
    });
}

#[test]
fn dialing_keeps_a_socket_at_a_path_that_does_not_listen_yet() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("calculator");
    drop(UnixListener::bind(&path).unwrap());
    let error = runtime().block_on(UnixSocket.dial(path.to_str().unwrap())).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(path.exists());
}

#[test]
fn accept_waits_during_a_shortage_of_descriptors() {
    let (bound, mut child, _) = start(&UnixSocket, "starved");
    runtime().block_on(async {
        let mut first = bound.establish().await.unwrap();
        let (address, _cleanup) = first.deferred_listener.take().unwrap().open().unwrap();
        first.reader.read_u8().await.unwrap();
        let mut second = UnixSocket.dial(&address).await.unwrap();
        first.writer.write_u8(b'd').await.unwrap();
        second.writer.write_all(b"hello").await.unwrap();
        second.writer.shutdown().await.unwrap();
        let mut received = Vec::new();
        second.reader.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"hello");
    });
    assert!(child.wait().unwrap().success());
}

#[test]
fn only_the_user_can_access_directory_and_socket() {
    let (bound, mut child, _) = start(&UnixSocket, "echo");
    let channel = runtime().block_on(bound.establish()).unwrap();
    let (address, cleanup) = channel.deferred_listener.unwrap().open().unwrap();
    let socket = file(&address).unwrap();
    assert_eq!(socket.parent().unwrap().metadata().unwrap().mode() & 0o7777, 0o700);
    assert_eq!(socket.symlink_metadata().unwrap().mode() & 0o7777, 0o600);
    drop((channel.reader, channel.writer));
    child.wait().unwrap();
    drop(cleanup);
    assert_no_file(&address);
}

#[test]
fn there_is_no_file_before_it_is_needed_and_a_rendezvous_that_cannot_be_opened_can_be_tried_again() {
    let (bound, mut child, address) = start(&UnixSocket, "again");
    assert_eq!(file(&address), None);
    let runtime = runtime();
    runtime.block_on(async {
        let Channel { mut reader, mut writer, deferred_listener, cleanup, .. } =
            bound.establish().await.unwrap();
        assert!(cleanup.is_none());
        let mut deferred_listener = deferred_listener.unwrap();
        let (address, cleanup) = deferred_listener.open().unwrap();
        // A socket that already listens cannot be bound to a second path.
        let error = deferred_listener.open().unwrap_err().to_string();
        assert!(error.contains("could not listen at"), "{error}");
        writer.write_u8(b'+').await.unwrap();
        assert_eq!(reader.read_u8().await.unwrap(), 1);
        drop((reader, writer));
        UnixSocket.dial(&address).await.unwrap().writer.write_u8(b'q').await.unwrap();
        assert!(child.wait().unwrap().success());
        drop(cleanup);
        assert_no_file(&address);
    });
}

/// Plays `role` as another user and returns the exit code. `None` unless this process runs as root.
fn run_as_another_user(role: &str) -> Option<i32> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let dir = tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap();
    let copy = dir.path().join("stranger");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    std::fs::set_permissions(&copy, Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(&copy);
    play(&mut command, role);
    let status = command.current_dir("/").gid(65534).uid(65534).status().unwrap();
    status.code()
}

const CLOSED_AT_ONCE: i32 = 11;
const DENIED: i32 = 12;

#[test]
fn another_user_cannot_connect() {
    let (bound, mut child, _) = start(&UnixSocket, "again");
    let runtime = runtime();
    let mut channel = runtime.block_on(bound.establish()).unwrap();
    let (address, _cleanup) = channel.deferred_listener.take().unwrap().open().unwrap();
    let Some(code) = run_as_another_user(&format!("dial {address}")) else {
        eprintln!("skipped: only root can become another user");
        child.kill().unwrap();
        child.wait().unwrap();
        return;
    };
    assert_eq!(code, DENIED);

    // The mode of the directory alone keeps others out, and so does the mode of the socket.
    let socket = file(&address).unwrap();
    let dir = socket.parent().unwrap();
    std::fs::set_permissions(dir, Permissions::from_mode(0o755)).unwrap();
    assert_eq!(run_as_another_user(&format!("dial {address}")), Some(DENIED));
    std::fs::set_permissions(&socket, Permissions::from_mode(0o666)).unwrap();

    runtime.block_on(async {
        // If both are open to all, the worker checks the user of the connection.
        drop((channel.reader, channel.writer));
        assert_eq!(run_as_another_user(&format!("dial {address}")), Some(CLOSED_AT_ONCE));
        let mut own = UnixSocket.dial(&address).await.unwrap();
        own.writer.write_u8(b'+').await.unwrap();
        assert_eq!(own.reader.read_u8().await.unwrap(), 1);
        own.writer.write_u8(b'q').await.unwrap();
        child.wait().unwrap();
    });
}

#[test]
fn the_error_of_a_long_path_states_its_length_and_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let at = |length: usize| {
        let name = "s".repeat(length - dir.path().as_os_str().len() - 1);
        UnixSocket::at(dir.path().join(name))
    };
    let limit = if cfg!(target_vendor = "apple") { 103 } else { 107 };
    at(limit).bind().unwrap();
    let error = at(limit + 1).bind().unwrap_err().to_string();
    assert!(error.contains(&format!("has {} bytes", limit + 1)), "{error}");
    assert!(error.contains(&format!("at most {limit}")), "{error}");
}

#[test]
fn a_worker_at_a_path_keeps_the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("calculator");
    let (bound, mut child, address) = start(&UnixSocket::at(&path), "echo");
    assert_eq!(Path::new(&address), path);
    assert_eq!(path.symlink_metadata().unwrap().mode() & 0o7777, 0o600);
    let error = UnixSocket::at(&path).bind().unwrap_err().to_string();
    assert!(error.contains("another process listens there"), "{error}");
    runtime().block_on(async {
        let mut channel = bound.establish().await.unwrap();
        channel.writer.shutdown().await.unwrap();
        assert_eq!(channel.reader.read(&mut [0]).await.unwrap(), 0);
        child.wait().unwrap();
    });
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_shortage_leaves_no_file_at_a_path() {
    let temporary = tempfile::tempdir().unwrap();
    let output = program("starved-start-at-path at").env("TMPDIR", temporary.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn only_a_dead_socket_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("calculator");
    std::fs::write(&path, "precious").unwrap();
    let error = UnixSocket::at(&path).bind().unwrap_err().to_string();
    assert!(error.contains("is not a socket"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    std::fs::remove_file(&path).unwrap();

    drop(UnixListener::bind(&path).unwrap());
    drop(UnixSocket::at(&path).bind().unwrap());
    assert!(!path.exists());
}

#[test]
fn cleanup_does_not_remove_a_replaced_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("calculator");
    let first = UnixSocket::at(&path).bind().unwrap();
    std::fs::remove_file(&path).unwrap();
    let second = UnixSocket::at(&path).bind().unwrap();
    drop(first);
    assert!(path.exists());
    drop(second);
    assert!(!path.exists());
}

#[test]
fn a_world_writable_directory_is_refused_unless_it_is_sticky() {
    let dir = tempfile::tempdir().unwrap();
    let socket = UnixSocket::at(dir.path().join("calculator"));
    std::fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
    let error = socket.bind().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    for safe in [0o1777, 0o775, 0o700] {
        std::fs::set_permissions(dir.path(), Permissions::from_mode(safe)).unwrap();
        socket.bind().unwrap();
    }
}

#[test]
fn the_socket_that_another_user_put_in_place_of_a_workers_is_refused() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can give a file away");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("worker");
    std::fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
    let copy = dir.path().join("stranger");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    std::fs::set_permissions(&copy, Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(&copy);
    play(&mut command, &format!("listen {}", path.display()));
    command.gid(65534).uid(65534).current_dir("/").stdin(std::process::Stdio::piped());
    let mut stranger = command.spawn().unwrap();
    let error = runtime().block_on(async {
        loop {
            match UnixSocket.dial(path.to_str().unwrap()).await {
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => break error,
                // It does not listen yet.
                Err(_) => tokio::task::yield_now().await,
                Ok(_) => panic!("a stranger posed as a worker"),
            }
        }
    });
    assert!(error.to_string().contains("runs as user 65534"), "{error}");
    drop(stranger.stdin.take());
    assert!(stranger.wait().unwrap().success());
}
