use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{AbortHandle, AbortRegistration};
use tokio::time::Instant;

/// Age of a call at which its caller hears of it. Shorter calls cost no further message.
const MIN_AGE: Duration = Duration::from_millis(100);

/// Calls that run on a machine, by the subject of their answers.
#[derive(Debug, Default)]
pub(super) struct Running(Mutex<HashMap<String, Entry>>);

#[derive(Debug)]
struct Entry {
    started: Instant,
    was_named: bool,
    abort: AbortHandle,
}

impl Running {
    /// Adds a call. `None` if one with the same subject runs: the message is a copy.
    pub(super) fn insert(&self, reply: &str) -> Option<AbortRegistration> {
        let mut calls = self.lock();
        if calls.contains_key(reply) {
            return None;
        }
        let (abort, registration) = AbortHandle::new_pair();
        calls.insert(reply.to_owned(), Entry { started: Instant::now(), was_named: false, abort });
        Some(registration)
    }

    pub(super) fn remove(&self, reply: &str) {
        self.lock().remove(reply);
    }

    /// Cancels a call, if it runs.
    pub(super) fn cancel(&self, reply: &str) {
        if let Some(call) = self.lock().get(reply) {
            call.abort.abort();
        }
    }

    /// Cancels all calls.
    pub(super) fn cancel_all(&self) {
        self.lock().values().for_each(|call| call.abort.abort());
    }

    /// Returns the ids of calls to name to each inbox: of all calls, or only of those that were not
    /// named before.
    pub(super) fn to_name(&self, all: bool) -> HashMap<String, Vec<u8>> {
        let now = Instant::now();
        let mut inboxes: HashMap<String, Vec<u8>> = HashMap::new();
        for (reply, call) in self.lock().iter_mut() {
            if (call.was_named && !all) || now.duration_since(call.started) < MIN_AGE {
                continue;
            }
            // A caller that is not of this library has another form of subject, and needs no beats.
            let Some((inbox, id)) = reply.rsplit_once('.') else { continue };
            let Ok(id) = id.parse::<u64>() else { continue };
            call.was_named = true;
            inboxes.entry(inbox.to_owned()).or_default().extend_from_slice(&id.to_be_bytes());
        }
        inboxes
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_is_named_when_it_is_old_enough_and_then_with_all_others() {
        let running = Running::default();
        let first = "_INBOX.a.7";
        let _kept = running.insert(first).unwrap();
        assert!(running.insert(first).is_none(), "a copy");
        assert!(running.to_name(true).is_empty());
        tokio::time::advance(MIN_AGE).await;
        let named = HashMap::from([("_INBOX.a".to_owned(), 7_u64.to_be_bytes().to_vec())]);
        assert_eq!(running.to_name(false), named);
        assert!(running.to_name(false).is_empty());
        assert_eq!(running.to_name(true), named);
        running.remove(first);
        assert!(running.to_name(true).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_without_an_inbox_of_this_library_gets_no_beats() {
        let running = Running::default();
        let _kept = ["plain", "_INBOX.a.x"].map(|reply| running.insert(reply).unwrap());
        tokio::time::advance(MIN_AGE).await;
        assert!(running.to_name(true).is_empty());
    }
}
