use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::Client;
use tokio::time::Instant;

use crate::subject::Subjects;

/// Time after which the machines are asked again.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);
/// Time after which a machine that does not answer is no longer known.
const LIFETIME: Duration = Duration::from_secs(3);
/// Time that the first call with a key waits for the answers of all machines.
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// Machines that serve, for calls with a key.
#[derive(Debug, Default)]
pub(crate) struct Machines {
    services: Mutex<HashMap<String, Known>>,
}

#[derive(Debug, Default)]
struct Known {
    asked: Option<Instant>,
    seen: HashMap<Arc<str>, Instant>,
}

impl Machines {
    /// Returns the machines of a service, ordered by their rank for `key`. Asks for them if they
    /// were not asked lately.
    pub(crate) async fn ranked(
        &self,
        client: &Client,
        inbox: String,
        subjects: &Subjects,
        key: u64,
    ) -> Vec<Arc<str>> {
        let who = subjects.who();
        let (is_due, is_first) = {
            let mut services = self.lock();
            let known = services.entry(who.clone()).or_default();
            let now = Instant::now();
            let is_due = known.asked.is_none_or(|asked| now.duration_since(asked) >= REFRESH_INTERVAL);
            let is_first = known.seen.values().all(|seen| now.duration_since(*seen) >= LIFETIME);
            if is_due {
                known.asked = Some(now);
            }
            (is_due, is_first)
        };
        if is_due && let Err(error) = client.publish_with_reply(who.clone(), inbox, Default::default()).await
        {
            tracing::debug!("could not ask for machines: {error}");
        }
        if is_first {
            tokio::time::sleep(FIRST_WAIT).await;
        }
        let mut services = self.lock();
        let known = services.entry(who).or_default();
        known.seen.retain(|_, seen| seen.elapsed() < LIFETIME);
        let mut machines: Vec<_> = known.seen.keys().cloned().collect();
        machines
            .sort_unstable_by_key(|machine| std::cmp::Reverse((weight(key, machine), Arc::clone(machine))));
        machines
    }

    /// Notes that a machine serves `who`.
    pub(crate) fn seen(&self, who: &str, machine: &str) {
        let mut services = self.lock();
        // Only of those that were asked for, so that a peer cannot fill the table with services.
        let Some(known) = services.get_mut(who) else { return };
        if known.seen.len() < MAX_MACHINES || known.seen.contains_key(machine) {
            known.seen.insert(Arc::from(machine), Instant::now());
        }
    }

    /// Removes a machine that is gone.
    pub(crate) fn gone(&self, subjects: &Subjects, machine: &str) {
        if let Some(known) = self.lock().get_mut(&subjects.who()) {
            known.seen.remove(machine);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Maximum number of machines that are remembered for a service.
const MAX_MACHINES: usize = 100_000;

/// Hash of a key. The same in each process and version.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    // FNV-1a.
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    mix(hash)
}

/// Weight of a machine for a key: the highest one wins (rendezvous hashing).
fn weight(key: u64, machine: &str) -> u64 {
    mix(key ^ hash(machine.as_bytes()))
}

/// Finalizer of SplitMix64: each bit of the input changes half of the output.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn winner<'a>(key: u64, machines: &[&'a str]) -> &'a str {
        machines.iter().max_by_key(|machine| weight(key, machine)).unwrap()
    }

    #[test]
    fn keys_spread_evenly_and_only_those_of_a_lost_machine_move() {
        let machines = ["a", "b", "c", "d"];
        let mut counts = HashMap::new();
        for number in 0..4000_u64 {
            let key = hash(&number.to_le_bytes());
            let before = winner(key, &machines);
            *counts.entry(before).or_insert(0) += 1;
            let after = winner(key, &machines[1..]);
            assert!(before == "a" || before == after);
        }
        assert!(counts.len() == 4 && counts.values().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
}
