/// Optional parts of the protocol that a side supports. The hello names them, because a peer may
/// lack them: a call that needs one fails on its own side, before it is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Features {
    /// The side answers requests, although it is the host.
    pub callbacks: bool,
}

/// Name of [`Features::callbacks`] on the wire.
const CALLBACKS: &str = "callbacks";

impl Features {
    /// Features of a host. `serves`: `true` if it offers a service to its worker.
    pub fn of_host(serves: bool) -> Self {
        Self { callbacks: serves }
    }

    /// Names on the wire.
    pub(super) fn names(self) -> impl Iterator<Item = &'static str> {
        self.callbacks.then_some(CALLBACKS).into_iter()
    }

    /// Parses the names of a peer. Ignores unknown ones.
    pub(super) fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut features = Self::default();
        for name in names {
            features.callbacks |= name == CALLBACKS;
        }
        features
    }
}
