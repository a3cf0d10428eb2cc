//! End of hung workers.

use std::time::Instant;

use super::lifecycle::earliest;
use super::slot::{RequestedEnd, Slot};
use super::{Scheduler, WorkerPermits};

impl<W: WorkerPermits> Scheduler<W> {
    /// Takes hung workers out of their slots, which makes room for others. Kills those whose other
    /// calls have ended or have had enough time. Returns the time of the next check.
    pub(super) fn end_hung(&mut self, now: Instant) -> Option<Instant> {
        let mut wake = None;
        for at in 0..self.slots.len() {
            let Slot { active, totals, .. } = &mut self.slots[at];
            let check = active.as_mut().and_then(|active| active.check_hang(now, &self.config, totals));
            wake = earliest(wake, check);
            if let Some(hung) = active.take_if(|active| active.hang.is_hung()) {
                self.retire(at, hung);
                self.refuse_hopeless();
            }
            let Slot { retiring, totals, .. } = &mut self.slots[at];
            for instance in retiring.iter_mut().filter(|it| it.requested_end != RequestedEnd::Kill) {
                let check = instance.check_hang(now, &self.config, totals);
                if instance.hang.is_kill_due(now) {
                    self.actions.extend(instance.end());
                } else if instance.hang.is_hung() {
                    self.actions.extend(instance.end_if_idle());
                }
                if instance.requested_end != RequestedEnd::Kill {
                    wake = earliest(wake, check);
                }
            }
        }
        wake
    }
}
