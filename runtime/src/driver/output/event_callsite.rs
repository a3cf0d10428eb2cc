//! Callsites of events that arrive from workers. `tracing` requires that metadata lives forever.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use tracing::subscriber::Interest;
use tracing::{Level, Metadata};
use tracing_core::callsite::{self, Callsite, Identifier};
use tracing_core::field::FieldSet;
use tracing_core::metadata::Kind;

/// Maximum number of callsites in a process, which never frees them. A worker could invent more.
const MAX_CALLSITES: usize = 1024;

/// Maximum length of a target or a field's name, in bytes.
const MAX_NAME_BYTES: usize = 128;

/// Maximum number of fields of an event: the limit of `tracing`.
const MAX_FIELDS: usize = 32;

/// Origin of events with the same level, target and fields.
pub(super) struct EventCallsite {
    metadata: OnceLock<Metadata<'static>>,
    /// `false` once it is known that no subscriber takes any of the events.
    has_interest: AtomicBool,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    level: Level,
    target: String,
    fields: Vec<String>,
}

type Callsites = HashMap<Key, &'static EventCallsite>;

static CALLSITES: LazyLock<Mutex<Callsites>> = LazyLock::new(Mutex::default);

impl EventCallsite {
    /// Returns the callsite of events with these properties. `None` if it would be a new one and
    /// there are too many, or if a name is too long.
    pub(super) fn of(level: Level, target: &str, fields: Vec<String>) -> Option<&'static Self> {
        let is_too_long = |name: &str| name.len() > MAX_NAME_BYTES;
        if is_too_long(target) || fields.len() > MAX_FIELDS || fields.iter().any(|name| is_too_long(name)) {
            return None;
        }
        let key = Key { level, target: target.to_owned(), fields };
        let mut callsites = CALLSITES.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = callsites.get(&key) {
            return Some(known);
        }
        if callsites.len() == MAX_CALLSITES {
            return None;
        }
        let names: Vec<&'static str> = key.fields.iter().map(|name| &*name.clone().leak()).collect();
        let target: &'static str = key.target.clone().leak();
        let new: &'static Self =
            Box::leak(Box::new(Self { metadata: OnceLock::new(), has_interest: AtomicBool::new(true) }));
        let fields = FieldSet::new(names.leak(), Identifier(new));
        new.metadata.get_or_init(|| {
            Metadata::new("event of a worker", target, level, None, None, None, fields, Kind::EVENT)
        });
        callsites.insert(key, new);
        // A subscriber may log while it is asked for its interest.
        drop(callsites);
        callsite::register(new);
        Some(new)
    }

    /// Returns `true` if the current subscriber takes events of this callsite.
    pub(super) fn is_enabled(&'static self) -> bool {
        self.has_interest.load(Ordering::Relaxed)
            && tracing::dispatcher::get_default(|current| current.enabled(self.metadata()))
    }

    pub(super) fn metadata(&'static self) -> &'static Metadata<'static> {
        self.metadata.get().expect("the metadata was set before this value was shared")
    }
}

impl Callsite for EventCallsite {
    fn set_interest(&self, interest: Interest) {
        self.has_interest.store(!interest.is_never(), Ordering::Relaxed);
    }

    fn metadata(&self) -> &Metadata<'_> {
        self.metadata.get().expect("the metadata was set before this value was shared")
    }
}
