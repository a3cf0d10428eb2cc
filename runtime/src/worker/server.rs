use tokio::sync::watch;

use super::signals::Obedience;

/// The handle of a worker that serves, from [`Serve::start`](crate::Serve::start). Clones are of the same worker.
#[derive(Clone, Debug)]
pub struct Server(watch::Sender<bool>);

impl Server {
    pub(super) fn new() -> (Self, Stopped) {
        let (stop, stopped) = watch::channel(false);
        (Self(stop), Stopped { wanted: stopped, obedience: None })
    }

    /// Drains: the host hears that this worker takes no more calls, what is in flight is finished and answered, and serving
    /// ends with `Ok`. Nothing happens where it was stopped before.
    pub fn stop(&self) {
        self.stop_first();
    }

    /// Whether it serves, or is yet to: until the future of [`Serve::start`](crate::Serve::start) has ended or is dropped.
    pub fn is_running(&self) -> bool {
        !self.0.is_closed()
    }

    /// Stops it, unless it was stopped or has ended before. Tells whether it did.
    pub(super) fn stop_first(&self) -> bool {
        self.is_running() && self.0.send_if_modified(|stopped| !std::mem::replace(stopped, true))
    }
}

/// Tells the one that serves when to stop.
pub(super) struct Stopped {
    wanted: watch::Receiver<bool>,
    /// Here until a thread obeys.
    obedience: Option<Obedience>,
}

impl Stopped {
    /// Obeys signals, too, while this is awaited.
    pub(super) fn obey(&mut self, obedience: Option<Obedience>) {
        self.obedience = obedience;
    }

    /// Lets a thread obey them.
    pub(super) fn take_obedience(&mut self) -> Option<Obedience> {
        self.obedience.take()
    }

    /// What comes of `future`. `None`: it was dropped, because the worker was stopped.
    pub(super) async fn unless<F: Future>(&mut self, future: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            () = self.stopped() => None,
            output = future => Some(output),
        }
    }

    /// Cancel-safe; once stopped, it answers at once.
    pub(super) async fn stopped(&mut self) {
        let Self { wanted, obedience } = self;
        let wanted = async {
            if wanted.wait_for(|stopped| *stopped).await.is_err() {
                // Nobody is left who could.
                std::future::pending().await
            }
        };
        let obeyed = async {
            match obedience {
                Some(obedience) => match obedience.obey().await {},
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = wanted => {}
            () = obeyed => {}
        }
    }
}
