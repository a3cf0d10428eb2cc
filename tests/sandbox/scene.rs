//! Builds what the attempts aim at.

use std::fs::{self, File};
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use tempfile::TempDir;

use crate::escapes::Scene;

/// A scene, and what keeps it alive.
pub(crate) struct Stage {
    pub(crate) scene: Scene,
    _dir: TempDir,
    _folder: File,
    _tcp: TcpListener,
    _udp: UdpSocket,
    _sockets: [UnixListener; 2],
}

impl Stage {
    pub(crate) fn set() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let [outside, readable, writable] =
            ["outside", "readable", "writable"].map(|name| dir.path().join(name));
        for folder in [&outside, &readable, &writable] {
            fs::create_dir(folder).unwrap();
        }
        fs::write(outside.join("secret"), "secret").unwrap();
        fs::write(outside.join("victim"), "victim").unwrap();
        fs::write(readable.join("allowed"), "allowed").unwrap();
        let library =
            ["/lib/x86_64-linux-gnu/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6", "/lib64/libm.so.6"];
        let library = library.into_iter().find_map(|path| fs::read(path).ok());
        fs::write(writable.join("library.so"), library.unwrap_or_default()).unwrap();

        let folder = File::open(&outside).unwrap();
        // Left open for children by accident.
        rustix::io::fcntl_setfd(&folder, rustix::io::FdFlags::empty()).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let abstract_name = format!("isolated-workers-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        let sockets =
            [UnixListener::bind_addr(&address).unwrap(), UnixListener::bind(outside.join("socket")).unwrap()];
        let scene = Scene {
            host: std::process::id(),
            outside,
            readable,
            writable,
            tcp_port: tcp.local_addr().unwrap().port(),
            udp_port: udp.local_addr().unwrap().port(),
            abstract_name,
        };
        Self { scene, _dir: dir, _folder: folder, _tcp: tcp, _udp: udp, _sockets: sockets }
    }
}
