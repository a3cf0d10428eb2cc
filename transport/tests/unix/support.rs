//! Helpers that start this program again with a role to play.

use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use isolated_workers_transport::{
    Bound, CHANNEL_VARIABLE, Inheritance, STRAY_DESCRIPTORS_VARIABLE, Transport, stray_descriptors,
};

/// The environment variable that names the role.
pub(crate) const ROLE: &str = "TRANSPORT_TEST_ROLE";

/// Runs `$body` with the transport of this name.
macro_rules! with_transport {
    ($name:expr, $transport:ident => $body:expr) => {{
        use isolated_workers_transport as transports;
        match $name {
            "unix-socket" => {
                let $transport = transports::UnixSocket;
                $body
            }
            "socket-pair" => {
                let $transport = transports::SocketPair;
                $body
            }
            "stdio" => {
                let $transport = transports::Stdio;
                $body
            }
            "named-pipe" => {
                let $transport = transports::NamedPipe;
                $body
            }
            "worker-socket" => {
                let $transport = transports::UnixSocket::bound_by_worker();
                $body
            }
            other => panic!("{other} is not a transport"),
        }
    }};
}
pub(crate) use with_transport;

/// Returns this program, as a child that plays `role`.
pub(crate) fn program(role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    play(&mut command, role);
    command
}

/// Makes `command`, which runs this program or a copy of it, play `role`.
pub(crate) fn play(command: &mut Command, role: &str) {
    command.args(["roles::plays_its_role", "--exact", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role).stdin(Stdio::null()).stdout(Stdio::null());
}

/// Returns a worker that plays `role` and is started with `inheritance`.
pub(crate) fn worker<T: Transport>(_: &T, role: &str, inheritance: Inheritance) -> Command {
    let mut command = program(role);
    command.env(CHANNEL_VARIABLE, format!("{}:{}", T::NAME, inheritance.address));
    if let Some(list) = stray_descriptors() {
        command.env(STRAY_DESCRIPTORS_VARIABLE, list);
    }
    command.stdin(inheritance.stdin.unwrap_or_else(Stdio::null));
    command.stdout(inheritance.stdout.unwrap_or_else(Stdio::null));
    command
}

/// Binds and starts a worker. Returns its address as well.
pub(crate) fn start<T: Transport>(transport: &T, role: &str) -> (T::Bound, Child, String) {
    let mut bound = transport.bind().unwrap();
    let inheritance = bound.inheritance();
    let address = inheritance.address.clone();
    let child = worker(transport, role, inheritance).stderr(Stdio::piped()).spawn().unwrap();
    (bound, child, address)
}

/// Returns everything that the processes with this standard error print. Waits until all have
/// ended.
pub(crate) fn stderr_of(child: &mut Child) -> String {
    let mut printed = String::new();
    child.stderr.take().unwrap().read_to_string(&mut printed).unwrap();
    printed
}

/// Returns the path within an address.
pub(crate) fn file(address: &str) -> Option<PathBuf> {
    address.find('/').map(|start| PathBuf::from(&address[start..]))
}

pub(crate) fn assert_no_file(address: &str) {
    if let Some(file) = file(address) {
        assert!(!file.exists(), "{} remains", file.display());
        assert!(!file.parent().unwrap().exists(), "the directory of {} remains", file.display());
    }
}

/// Lists the descriptors of a child of this process, including the one that the listing opens.
pub(crate) fn list_descriptors_in_child() -> String {
    let list = Command::new("ls").arg("/dev/fd/").stdin(Stdio::inherit()).output().unwrap();
    String::from_utf8(list.stdout).unwrap().replace('\n', " ")
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}
