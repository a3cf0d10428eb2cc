use tokio::sync::watch;

use super::signal_listener::SignalListener;

/// Handle of a serving worker, from [`Serve::start`](crate::Serve::start). Clones control the same
/// worker.
#[derive(Clone, Debug)]
pub struct Server(watch::Sender<bool>);

impl Server {
    pub(super) fn new() -> (Self, StopSignal) {
        let (stop, stopped) = watch::channel(false);
        (Self(stop), StopSignal { stop: stopped, listener: None })
    }

    /// Drains the worker: it sends a go-away and answers the calls in flight, then serving ends
    /// with `Ok`. Does nothing if the worker was stopped before.
    pub fn stop(&self) {
        self.stop_first();
    }

    /// Returns `true` until the future of [`Serve::start`](crate::Serve::start) has ended or is
    /// dropped.
    pub fn is_running(&self) -> bool {
        !self.0.is_closed()
    }

    /// Stops the worker. Returns `false` if it was already stopped or has ended.
    pub(super) fn stop_first(&self) -> bool {
        self.is_running() && self.0.send_if_modified(|stopped| !std::mem::replace(stopped, true))
    }
}

/// Receiver of [`Server::stop`], and of signals until a thread listens for them.
pub(super) struct StopSignal {
    stop: watch::Receiver<bool>,
    /// `Some` until a thread listens.
    listener: Option<SignalListener>,
}

impl StopSignal {
    /// Also handles signals while this value is awaited.
    pub(super) fn set_signal_listener(&mut self, listener: Option<SignalListener>) {
        self.listener = listener;
    }

    /// Takes the listener out, to run it on a thread.
    pub(super) fn take_signal_listener(&mut self) -> Option<SignalListener> {
        self.listener.take()
    }

    /// Awaits `future`. Drops it and returns `None` if the worker is stopped first.
    pub(super) async fn unless<F: Future>(&mut self, future: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            () = self.stopped() => None,
            output = future => Some(output),
        }
    }

    /// Waits until the worker is stopped. Returns at once if it was stopped before. Cancel-safe.
    pub(super) async fn stopped(&mut self) {
        let Self { stop, listener } = self;
        let stopped = async {
            if stop.wait_for(|stopped| *stopped).await.is_err() {
                // No handle is left that could stop the worker.
                std::future::pending().await
            }
        };
        let signalled = async {
            match listener {
                Some(listener) => match listener.listen().await {},
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stopped => {}
            () = signalled => {}
        }
    }
}
