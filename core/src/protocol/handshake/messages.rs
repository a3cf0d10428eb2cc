use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Schema;
use crate::services;

/// Fingerprints of the messages of a service, by name. A worker sends them to a host that it
/// refuses because of its service.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Messages<'a>(#[serde(borrow)] BTreeMap<Cow<'a, str>, u32>);

impl Messages<'_> {
    /// Maximum size of all names in bytes, so that the line stays below its maximum.
    const MAX_NAME_BYTES: usize = 16 << 10;

    /// Returns `None` if the schema has no messages, or too many for a line.
    pub(super) fn of(schema: &Schema) -> Option<Self> {
        let messages = schema.messages();
        let size: usize = messages.iter().map(|(name, _)| name.len() + 16).sum();
        let fits = !messages.is_empty() && size <= Self::MAX_NAME_BYTES;
        fits.then(|| {
            Self(messages.iter().map(|(name, fingerprint)| (Cow::Borrowed(*name), *fingerprint)).collect())
        })
    }

    /// Describes how the peer's messages differ from those of `own`. `here` and `there` are the
    /// roles of both sides.
    pub(super) fn difference(&self, own: &Schema, here: &str, there: &str) -> Option<String> {
        let own: BTreeMap<&str, u32> = own.messages().iter().copied().collect();
        if own.is_empty() {
            return None;
        }
        let differ =
            self.0.iter().filter(|(name, theirs)| own.get(&***name).is_some_and(|own| own != *theirs));
        let only_there = self.0.keys().filter(|name| !own.contains_key(&***name));
        let only_here = own.keys().filter(|name| !self.0.contains_key(**name));
        let parts = [
            listed(differ.map(|(name, _)| &**name)).map(|names| format!("{names} with another signature")),
            listed(only_here.copied()).map(|names| format!("{names} only in this {here}")),
            listed(only_there.map(|name| &**name)).map(|names| format!("{names} only in the {there}")),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

/// Returns the names for an error. `None` if there are none.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let names: Vec<&str> = names.collect();
    (!names.is_empty()).then(|| services::listed(names.into_iter()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Schema =
        Schema::new("Calculator", 1).with_messages(&[("add", 1), ("divide", 2), ("reset", 3)]);
    const NEW: Schema = Schema::new("Calculator", 2).with_messages(&[("add", 9), ("log", 4), ("reset", 3)]);

    #[test]
    fn differences_are_named_by_their_kind() {
        let found = Messages::of(&NEW).unwrap().difference(&OLD, "host", "worker").unwrap();
        assert_eq!(
            found,
            "`add` with another signature, `divide` only in this host, `log` only in the worker"
        );
    }

    #[test]
    fn few_of_many_differences_are_named() {
        const MANY: Schema = Schema::new("Calculator", 2).with_messages(&[
            ("a", 1),
            ("add", 1),
            ("b", 1),
            ("c", 1),
            ("d", 1),
            ("divide", 2),
            ("e", 1),
            ("f", 1),
            ("reset", 3),
        ]);
        let found = Messages::of(&MANY).unwrap().difference(&OLD, "host", "worker").unwrap();
        assert_eq!(found, "`a`, `b`, `c`, `d`, `e`, 1 more only in the worker");
    }

    #[test]
    fn schemas_without_messages_have_no_named_difference() {
        assert!(Messages::of(&Schema::new("Calculator", 1)).is_none());
        assert!(
            Messages::of(&NEW).unwrap().difference(&Schema::new("Calculator", 1), "host", "worker").is_none()
        );
        assert!(Messages::of(&NEW).unwrap().difference(&NEW, "host", "worker").is_none());
    }
}
