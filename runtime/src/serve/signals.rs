//! The signals that ask a worker's process to end.

#[cfg_attr(unix, path = "signals/unix.rs")]
#[cfg_attr(windows, path = "signals/windows.rs")]
mod system;

use std::io;
use std::sync::{Arc, OnceLock};

use isolated_workers_transport::Residue;
use tokio::sync::oneshot;

use self::system::Signals;
use super::Server;

/// Has the first signal stop `server`, and the second end the process, as each does once `server` has ended. Returns when
/// they are listened for. A thread of its own listens, because a handler may keep the runtime of the worker busy.
pub(super) async fn listen(server: Server, residue: Arc<OnceLock<Residue>>) {
    let (ready, is_ready) = oneshot::channel();
    let listen = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let listening = |runtime: &tokio::runtime::Runtime| {
            let _context = runtime.enter();
            Signals::new()
        };
        match runtime.and_then(|runtime| Ok((listening(&runtime)?, runtime))) {
            Ok((signals, runtime)) => {
                let _ = ready.send(Ok(()));
                runtime.block_on(obey(signals, &server, &residue));
            }
            Err(error) => drop(ready.send(Err(error))),
        }
    };
    let thread = std::thread::Builder::new().name("signals".into()).stack_size(256 << 10);
    let listening = match thread.spawn(listen) {
        Ok(_) => is_ready.await.unwrap_or_else(|_| Err(io::ErrorKind::Other.into())),
        Err(error) => Err(error),
    };
    if let Err(error) = listening {
        tracing::warn!(%error, "signals cannot be listened for: the first one ends this worker at once");
    }
}

async fn obey(mut signals: Signals, server: &Server, residue: &OnceLock<Residue>) {
    loop {
        let code = signals.next().await;
        if !server.stop_first() {
            if let Some(residue) = residue.get() {
                residue.remove();
            }
            std::process::exit(code);
        }
    }
}
