/// Optional parts of the protocol that a side supports. The hello names them, because a peer may
/// lack them: a call that needs one fails on its own side, before it is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Features {
    /// The side answers requests, although it is the host.
    pub callbacks: bool,
    /// The worker answers the [reserved service](crate::Services::RESERVED).
    pub describe: bool,
    /// The side takes descriptors that travel beside frames. Both sides must name it.
    pub descriptors: bool,
}

/// Name of [`Features::callbacks`] on the wire.
const CALLBACKS: &str = "callbacks";
/// Name of [`Features::describe`] on the wire.
const DESCRIBE: &str = "describe";

/// Name of [`Features::descriptors`] on the wire.
const DESCRIPTORS: &str = "descriptors";

impl Features {
    /// Features of a host. `serves`: `true` if it offers a service to its worker.
    pub fn of_host(serves: bool) -> Self {
        Self { callbacks: serves, ..Self::default() }
    }

    /// Features of a worker. `describes`: `true` if it answers the reserved service.
    pub fn of_worker(describes: bool) -> Self {
        Self { describe: describes, ..Self::default() }
    }

    /// Sets whether the side takes descriptors.
    #[must_use]
    pub fn descriptors(self, descriptors: bool) -> Self {
        Self { descriptors, ..self }
    }

    /// Names on the wire.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [(self.callbacks, CALLBACKS), (self.describe, DESCRIBE), (self.descriptors, DESCRIPTORS)]
            .into_iter()
            .filter_map(|(is_supported, name)| is_supported.then_some(name))
    }

    /// Parses the names of a peer. Ignores unknown ones.
    pub(super) fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut features = Self::default();
        for name in names {
            features.callbacks |= name == CALLBACKS;
            features.describe |= name == DESCRIBE;
            features.descriptors |= name == DESCRIPTORS;
        }
        features
    }
}
