//! The roles that this program plays when one of its tests starts it.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio, exit};
use std::sync::mpsc;
use std::time::Duration;

use isolated_workers_transport::{Bound, CHANNEL_VARIABLE, Channel, Reconnect, Transport, UnixSocket};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy};

use super::support::{ROLE, list_descriptors_in_child, program, runtime, start, with_transport, worker};

#[test]
#[ignore = "started by the other tests"]
fn plays_its_role() {
    let role = std::env::var(ROLE).unwrap();
    if let Some((role, argument)) = role.split_once(' ') {
        match role {
            "host" => with_transport!(argument, transport => host(&transport)),
            "rounds" => with_transport!(argument, transport => rounds(&transport)),
            "starved-host" => with_transport!(argument, transport => starved_host(&transport)),
            "starved-start" => with_transport!(argument, transport => starved_start(&transport)),
            "starved-start-at-path" => {
                starved_start(&UnixSocket::at(std::env::temp_dir().join("socket")));
            }
            "sigpipe" => with_transport!(argument, transport => sigpipe(&transport)),
            "dial" => dial(argument),
            "listen" => super::worker_socket::listen(argument),
            #[cfg(target_os = "linux")]
            "stray-host" => super::stray_descriptors::host(argument),
            #[cfg(target_os = "linux")]
            "reports" => super::stray_descriptors::report(argument),
            _ => panic!("{role} is not a role"),
        }
    }
    let (name, address) = channel();
    with_transport!(name.as_str(), transport => runtime().block_on(serve(&transport, &role, &address)));
}

fn channel() -> (String, String) {
    let channel = std::env::var(CHANNEL_VARIABLE).unwrap();
    let (name, address) = channel.split_once(':').unwrap();
    (name.to_owned(), address.to_owned())
}

async fn serve<T: Transport>(transport: &T, role: &str, address: &str) {
    match role {
        "echo" => echo(transport.attach(address).await.unwrap()).await,
        "early" => exit(3),
        "exits" => {
            let mut channel = transport.attach(address).await.unwrap();
            let byte = channel.reader.read_u8().await.unwrap();
            channel.writer.write_all(&[byte]).await.unwrap();
            // Destructors run while the channel is open.
            exit(0);
        }
        "dies" => {
            let mut channel = transport.attach(address).await.unwrap();
            channel.writer.write_all(b"x").await.unwrap();
            channel.writer.flush().await.unwrap();
            std::process::abort();
        }
        "hangup" => {
            let channel = transport.attach(address).await.unwrap();
            channel.hangup.unwrap()();
            if let Some(cleanup) = &channel.cleanup {
                cleanup.run();
            }
            eprintln!("hung up");
            exit(0);
        }
        "half" => half(transport.attach(address).await.unwrap()).await,
        "closes" => {
            let Channel { mut reader, mut writer, hangup, cleanup: _cleanup, .. } =
                transport.attach(address).await.unwrap();
            std::thread::spawn(hangup.unwrap());
            writer.shutdown().await.unwrap();
            assert_eq!(reader.read_u8().await.unwrap(), b'x');
        }
        "late" => {
            // The test has killed the host before it writes the signal.
            let signal = std::fs::File::open(std::env::var("TRANSPORT_TEST_SIGNAL").unwrap()).unwrap();
            BufReader::new(signal).read_line(&mut String::new()).unwrap();
            let mut read = [0];
            let end = match transport.attach(address).await {
                Ok(mut channel) => channel.reader.read(&mut read).await,
                Err(error) => Err(error),
            };
            eprintln!("{}", if matches!(end, Ok(0) | Err(_)) { "host gone" } else { "host there" });
            exit(0);
        }
        "asks" => {
            let child = program("asked").stderr(Stdio::inherit()).status().unwrap();
            assert!(child.success());
            assert!(transport.is_inherited(address));
            echo(transport.attach(address).await.unwrap()).await;
        }
        "asked" => exit(i32::from(transport.is_inherited(address))),
        "descriptors" => {
            let channel = transport.attach(address).await.unwrap();
            eprintln!("descriptors: {}", list_descriptors_in_child());
            echo(channel).await;
        }
        "child-reads" => {
            let child = Command::new("cat").stdin(Stdio::inherit()).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&child.stdout), "");
            echo(transport.attach(address).await.unwrap()).await;
        }
        "starved-echo" => {
            let mut channel = transport.attach(address).await.unwrap();
            leave_descriptors(0);
            channel.writer.write_all(b"s").await.unwrap();
            echo(channel).await;
        }
        "again" => again(transport.attach(address).await.unwrap()).await,
        "starved" => starved(transport.attach(address).await.unwrap()).await,
        _ => panic!("{role} is not a role"),
    }
    exit(0);
}

async fn echo<R, W>(channel: Channel<R, W>)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let Channel { mut reader, mut writer, cleanup: _cleanup, .. } = channel;
    copy(&mut reader, &mut writer).await.unwrap();
    writer.shutdown().await.unwrap();
}

/// Answers after the host has closed its direction. The answer is "fired" if `hangup` returned too
/// early, and "quiet" if not.
async fn half<R, W>(channel: Channel<R, W>)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let Channel { mut reader, mut writer, hangup, cleanup, .. } = channel;
    let (fired, hung_up) = mpsc::channel();
    let hangup = hangup.unwrap();
    std::thread::spawn(move || {
        hangup();
        let _ = fired.send(());
    });
    let mut all = Vec::new();
    reader.read_to_end(&mut all).await.unwrap();
    // There is no event for a hang-up that does not happen, so this waits for 100 ms.
    let early = hung_up.recv_timeout(Duration::from_millis(100)).is_ok();
    writer.write_all(if early { b"fired" } else { b"quiet" }).await.unwrap();
    hung_up.recv().unwrap();
    drop(cleanup);
    exit(7);
}

/// Serves connections one at a time. They share a counter.
async fn again<R, W>(channel: Channel<R, W>)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let Channel { mut reader, mut writer, incoming, cleanup: _cleanup, .. } = channel;
    let mut incoming = incoming.unwrap();
    let mut count = 0u8;
    loop {
        while let Ok(request) = reader.read_u8().await {
            if request == b'q' {
                return;
            }
            count += 1;
            writer.write_u8(count).await.unwrap();
        }
        Channel { reader, writer, .. } = incoming.accept().await.unwrap();
    }
}

/// Leaves no free descriptor for the second connection until the test has checked that `accept`
/// does not spin.
async fn starved<R, W>(channel: Channel<R, W>)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let Channel { mut reader, mut writer, incoming, cleanup: _cleanup, .. } = channel;
    let mut incoming = incoming.unwrap();
    let limit = getrlimit(Resource::Nofile);
    leave_descriptors(0);
    writer.write_all(b"s").await.unwrap();
    reader.read_u8().await.unwrap();
    let mut polls = 0;
    {
        let mut accept = std::pin::pin!(incoming.accept());
        let counted = std::future::poll_fn(|context| {
            polls += 1;
            accept.as_mut().poll(context)
        });
        let early = tokio::time::timeout(Duration::from_millis(300), counted).await;
        assert!(early.is_err(), "accept needs a descriptor");
    }
    assert!(polls < 100, "{polls} polls");
    setrlimit(Resource::Nofile, limit).unwrap();
    // One descriptor is enough to accept, but a channel needs two.
    leave_descriptors(1);
    let early = tokio::time::timeout(Duration::from_millis(300), incoming.accept()).await;
    assert!(early.is_err(), "a channel needs two descriptors");
    setrlimit(Resource::Nofile, limit).unwrap();
    let second = incoming.accept().await.unwrap();
    echo(second).await;
}

/// Lowers the limit of this process, so that it can open only `count` further descriptors.
fn leave_descriptors(count: u64) {
    let limit = getrlimit(Resource::Nofile);
    let lowest_free: u64 = std::fs::File::open("/dev/null").unwrap().as_raw_fd().cast_unsigned().into();
    let current = Some(lowest_free + count);
    setrlimit(Resource::Nofile, rustix::process::Rlimit { current, ..limit }).unwrap();
}

/// Sends a large body to a worker and back. No descriptor is free on either side.
fn starved_host<T: Transport>(transport: &T) {
    let (bound, mut child, _) = start(transport, "starved-echo");
    let body: Vec<u8> = (0..8 << 20).map(|index: u32| (index % 251) as u8).collect();
    runtime().block_on(async {
        let mut channel = bound.establish().await.unwrap();
        assert_eq!(channel.reader.read_u8().await.unwrap(), b's');
        leave_descriptors(0);
        let write = async {
            channel.writer.write_all(&body).await.unwrap();
            channel.writer.shutdown().await.unwrap();
        };
        let mut received = Vec::new();
        let read = channel.reader.read_to_end(&mut received);
        let ((), read) = tokio::join!(write, read);
        read.unwrap();
        assert!(received == body);
    });
    assert!(child.wait().unwrap().success());
    exit(0);
}

/// Creates the host's end with no free descriptor, then with one, and so on. Whichever step fails,
/// no file is left.
fn starved_start<T: Transport>(transport: &T) {
    let limit = getrlimit(Resource::Nofile);
    let files = || std::fs::read_dir(std::env::temp_dir()).unwrap().count();
    let mut is_bound = false;
    for free in 0..16 {
        let runtime = runtime();
        leave_descriptors(free);
        let outcome = runtime.block_on(async {
            let mut bound = transport.bind()?;
            is_bound = true;
            drop(bound.inheritance());
            // Some transports wait for a worker, which does not exist.
            match tokio::time::timeout(Duration::from_millis(10), bound.establish()).await {
                Ok(channel) => channel?.deferred_listener.map_or(Ok(()), |mut later| later.open().map(drop)),
                Err(_) => Ok(()),
            }
        });
        setrlimit(Resource::Nofile, limit).unwrap();
        assert_eq!(files(), 0, "{free} free descriptors: {outcome:?}");
    }
    assert!(is_bound, "no attempt had enough descriptors");
    exit(0);
}

/// Writes to a dead worker in a process in which SIGPIPE has its default action.
fn sigpipe<T: Transport>(transport: &T) {
    // SAFETY: the default action runs no code.
    #[expect(unsafe_code, reason = "the standard library has no safe function for it")]
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
    }
    let (bound, mut child, _) = start(transport, "dies");
    runtime().block_on(async {
        let mut channel = bound.establish().await.unwrap();
        child.wait().unwrap();
        let error = channel.writer.write_all(b"x").await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
        let slices = [std::io::IoSlice::new(b"x"), std::io::IoSlice::new(b"y")];
        let error = channel.writer.write_vectored(&slices).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    });
    exit(0);
}

/// Starts a worker and waits until it is killed.
fn host<T: Transport>(transport: &T) {
    let role = std::env::var("TRANSPORT_TEST_WORKER").unwrap();
    let mut bound = transport.bind().unwrap();
    let mut child = worker(transport, &role, bound.inheritance()).spawn().unwrap();
    runtime().block_on(async {
        let _channel = match role.as_str() {
            "late" => None,
            _ => Some(bound.establish().await.unwrap()),
        };
        print_ready();
        child.wait().unwrap();
    });
    exit(1);
}

fn print_ready() {
    let mut stdout = std::io::stdout();
    stdout.write_all(b"\nready\n").unwrap();
    stdout.flush().unwrap();
}

/// Starts and ends 201 workers. Checks that they leave no descriptor and no file.
fn rounds<T: Transport>(transport: &T) {
    let temporary = std::env::temp_dir();
    let runtime = runtime();
    let round = || {
        runtime.block_on(async {
            let (bound, mut child, _) = start(transport, "echo");
            let mut channel = bound.establish().await.unwrap();
            channel.writer.write_all(b"hello").await.unwrap();
            let mut received = [0; 5];
            channel.reader.read_exact(&mut received).await.unwrap();
            channel.writer.shutdown().await.unwrap();
            child.wait().unwrap();
        });
    };
    round();
    let before = descriptors();
    for _ in 0..200 {
        round();
    }
    assert_eq!(descriptors(), before);
    assert_eq!(std::fs::read_dir(temporary).unwrap().count(), 0);
    exit(0);
}

fn descriptors() -> usize {
    std::fs::read_dir("/dev/fd").unwrap().count()
}

/// Dials, and returns the result as the exit code.
fn dial(address: &str) {
    let code = runtime().block_on(async {
        match UnixSocket.dial(address).await {
            Ok(mut channel) => {
                if let Some(cleanup) = &channel.cleanup {
                    cleanup.disarm();
                }
                match channel.reader.read(&mut [0]).await {
                    Ok(0) | Err(_) => 11,
                    Ok(_) => 10,
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => 12,
            Err(error) => panic!("{error}"),
        }
    });
    exit(code);
}
