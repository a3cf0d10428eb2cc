use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use isolated_workers::Error;
use isolated_workers::protocol::Schema;

/// Counters of each method.
#[derive(Debug)]
pub(super) struct Statistics(Mutex<HashMap<(usize, String), Counters>>);

/// Counters of one method.
#[derive(Clone, Debug, Default)]
pub(super) struct Counters {
    pub(super) requests: u64,
    pub(super) errors: u64,
    pub(super) last_error: Option<String>,
    pub(super) processing: Duration,
}

/// Name of the counters of messages that a service does not list.
pub(super) const OTHER: &str = "";

/// Maximum size in bytes of the last error.
const MAX_ERROR_BYTES: usize = 1 << 10;

impl Statistics {
    pub(super) fn new(schemas: &[Schema]) -> Self {
        let mut counters = HashMap::new();
        for (service, schema) in schemas.iter().enumerate() {
            counters.insert((service, OTHER.to_owned()), Counters::default());
            for (method, _) in schema.messages() {
                counters.insert((service, (*method).to_owned()), Counters::default());
            }
        }
        Self(Mutex::new(counters))
    }

    /// Counts a call. Messages that the service does not list share their counters, because a peer
    /// can invent names.
    pub(super) fn count(&self, service: usize, method: &str, took: Duration, error: Option<&Error>) {
        let mut all = self.lock();
        let key = (service, method.to_owned());
        let key = if all.contains_key(&key) { key } else { (service, OTHER.to_owned()) };
        let Some(counters) = all.get_mut(&key) else { return };
        counters.requests += 1;
        counters.processing += took;
        if let Some(error) = error {
            counters.errors += 1;
            let text = error.to_string();
            counters.last_error = Some(text.chars().take(MAX_ERROR_BYTES / 4).collect());
        }
    }

    /// Returns the counters of a method.
    pub(super) fn of(&self, service: usize, method: &str) -> Counters {
        self.lock().get(&(service, method.to_owned())).cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(usize, String), Counters>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use isolated_workers::ErrorKind;

    use super::*;

    #[test]
    fn messages_that_a_service_does_not_list_share_their_counters() {
        let schema = Schema::new("S", 1).with_messages(&[("add", 1)]);
        let statistics = Statistics::new(&[schema]);
        let error = Error::new(ErrorKind::Invalid, "no");
        statistics.count(0, "add", Duration::from_secs(1), None);
        statistics.count(0, "x", Duration::from_secs(2), Some(&error));
        statistics.count(0, "y", Duration::from_secs(3), None);
        assert_eq!(statistics.of(0, "add").requests, 1);
        let other = statistics.of(0, OTHER);
        assert_eq!((other.requests, other.errors, other.last_error.as_deref()), (2, 1, Some("no")));
        assert_eq!(statistics.of(0, "x").requests, 0);
    }
}
