use tokio::sync::watch;

use super::signal_listener::SignalListener;

/// Receiver of [`Server::stop`](super::Server::stop), and of signals until a thread listens for
/// them.
pub(super) struct StopSignal {
    stop: watch::Receiver<bool>,
    /// `Some` until a thread listens.
    listener: Option<SignalListener>,
}

impl StopSignal {
    /// `stop` becomes `true` when the worker is stopped.
    pub(super) fn new(stop: watch::Receiver<bool>) -> Self {
        Self { stop, listener: None }
    }

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

    /// Waits until the worker is stopped. Cancel-safe. Once stopped, it returns at once.
    pub(super) async fn stopped(&mut self) {
        let Self { stop, listener } = self;
        let stopped = async {
            if stop.wait_for(|stopped| *stopped).await.is_err() {
                // No handle is left that could stop the worker.
                std::future::pending().await
            }
        };
        let signaled = async {
            match listener {
                Some(listener) => match listener.listen().await {},
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stopped => {}
            () = signaled => {}
        }
    }
}
