use std::time::Duration;

use isolated_workers_core::Name;

/// A handler that takes this long before its first await computes.
const SLOW: Duration = Duration::from_micros(200);

/// So many slow starts in a row are no accident: a handler that is only interrupted once is not moved.
const IN_A_ROW: u32 = 3;

/// A message whose handlers compute is tried in place again after so many, in case it has changed its ways.
const PROBATION: u32 = 256;

/// Learns which messages are better not handled in place, because their handlers compute and would hold up their
/// neighbours' answers.
#[derive(Debug, Default)]
pub(super) struct Pace(Vec<Slow>);

/// A message whose last start was slow.
#[derive(Debug)]
struct Slow {
    name: Name,
    in_a_row: u32,
    moved: u32,
}

impl Pace {
    /// Whether to poll the next handler of this message in place.
    pub(super) fn is_in_place(&mut self, name: &str) -> bool {
        let Some(slow) = self.0.iter_mut().find(|slow| slow.name.as_str() == name) else { return true };
        if slow.in_a_row < IN_A_ROW {
            return true;
        }
        slow.moved = (slow.moved + 1) % PROBATION;
        slow.moved == 0
    }

    /// Takes in how long a handler took before its first await, or its end.
    pub(super) fn learn(&mut self, name: &Name, took: Duration) {
        let known = self.0.iter().position(|slow| slow.name == *name);
        match (took > SLOW, known) {
            (true, Some(at)) => self.0[at].in_a_row = self.0[at].in_a_row.saturating_add(1),
            (true, None) => self.0.push(Slow { name: name.clone(), in_a_row: 1, moved: 0 }),
            (false, Some(at)) => drop(self.0.swap_remove(at)),
            (false, None) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_moved_when_it_is_slow_again_and_again_and_comes_back() {
        let (mut pace, name) = (Pace::default(), Name::from_static("scale"));
        let (slow, fast) = (2 * SLOW, SLOW / 2);
        for took in [slow, slow, fast, slow, slow] {
            pace.learn(&name, took);
            assert!(pace.is_in_place("scale"));
        }
        pace.learn(&name, slow);
        let moved = (1..PROBATION).filter(|_| !pace.is_in_place("scale")).count();
        assert_eq!(moved, 255);
        assert!(pace.is_in_place("scale"), "on probation");
        assert!(pace.is_in_place("other"));
        pace.learn(&name, fast);
        assert!(pace.is_in_place("scale"));
    }
}
