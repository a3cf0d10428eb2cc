//! Streams of items.

use std::collections::VecDeque;

use super::{Endpoint, Oracle, QueuedFrame, Verdict, ensure};
use crate::protocol::{Admission, Receiving, Sending};
use crate::{Body, Role, TxId};

/// Items of one side of a call.
#[derive(Debug, Default)]
pub(super) struct Flow {
    /// All items that were passed to the sender's connection.
    pub(super) items: Vec<Body>,
    /// Number of items that have arrived while the stream was open.
    pub(super) arrived: usize,
    /// Number of items that the receiver has taken.
    taken: usize,
    /// Cost of the items that were sent, and for which no credit has arrived.
    pub(super) used: usize,
    /// Cost of the items that have arrived, and for which no credit was sent.
    held: usize,
    /// Part of `held` that was taken.
    finished: usize,
    /// `true` if the sender has ended the items.
    pub(super) has_ended: bool,
    /// `true` if the receiver knows it.
    end_arrived: bool,
}

impl Flow {
    /// Items that have arrived and were not taken.
    pub(super) fn untaken(&self) -> &[Body] {
        &self.items[self.taken..self.arrived]
    }
}

fn cost(items: &[Body]) -> usize {
    items.iter().map(Admission::item_cost).sum()
}

impl Oracle {
    pub(super) fn flow(&self, number: usize, from: Role) -> &Flow {
        match from {
            Role::Caller => &self.requests[number].from_caller,
            Role::Callee => &self.requests[number].from_callee,
        }
    }

    pub(super) fn flow_mut(&mut self, number: usize, from: Role) -> &mut Flow {
        match from {
            Role::Caller => &mut self.requests[number].from_caller,
            Role::Callee => &mut self.requests[number].from_callee,
        }
    }

    /// Returns `true` if the streams of this call are open at `end`, which has `role` in it.
    pub(super) fn is_open(&self, end: Endpoint, role: Role, number: usize) -> bool {
        match role {
            Role::Caller => self.in_use(end).contains(&number) && !self.requests[number].ended,
            // Its answer is known before its handler has ended if it was cancelled, or an item was
            // refused.
            Role::Callee => self.serving(end).contains(&number) && self.requests[number].answer.is_none(),
        }
    }

    fn has_flow(&self, number: usize, from: Role) -> bool {
        match from {
            Role::Caller => self.requests[number].streams.from_caller,
            Role::Callee => self.requests[number].streams.from_callee,
        }
    }

    /// Calls in which `end` sends items, or receives some, and its role in them. Includes some that
    /// have ended.
    pub(in super::super) fn streams(&self, end: Endpoint, sends: bool) -> Vec<(Role, usize)> {
        let calls = self.in_use(end).iter().map(|&number| (Role::Caller, number));
        let serving = self.serving(end).iter().map(|&number| (Role::Callee, number));
        let has_flow =
            |&(role, number): &(Role, usize)| self.has_flow(number, if sends { role } else { role.other() });
        calls.chain(serving).filter(has_flow).collect()
    }

    /// Returns `true` if items have arrived for a call that were not taken.
    pub(in super::super) fn has_untaken(&self, role: Role, number: usize) -> bool {
        !self.flow(number, role.other()).untaken().is_empty()
    }

    /// Records that `from` was asked to send an item. `sending` is what its connection said before.
    pub(in super::super) fn sent_item(
        &mut self,
        from: Endpoint,
        role: Role,
        number: usize,
        item: Body,
        sending: Sending,
    ) -> Verdict {
        let max = self.admission(from.other()).item_bytes;
        let flow = self.flow(number, role);
        let expected = if !self.is_open(from, role, number) || flow.has_ended {
            Sending::Ended
        } else if flow.used >= max || self.ledger(from).held.contains(&number) {
            Sending::Waiting
        } else {
            Sending::Ready
        };
        ensure!(sending == expected, "sending of #{number} by the {role:?} is {sending:?}, not {expected:?}");
        self.summary.waiting_items += u64::from(expected == Sending::Waiting);
        if expected == Sending::Ready {
            self.summary.items += 1;
            let flow = self.flow_mut(number, role);
            flow.used += Admission::item_cost(&item);
            flow.items.push(item);
            let index = flow.items.len() - 1;
            self.ledger_mut(from).outgoing.push_back(QueuedFrame::Item(number, role, index));
        }
        Ok(())
    }

    /// Records that `from`, the caller, has ended its items.
    pub(in super::super) fn ended_items(&mut self, from: Endpoint, number: usize) {
        let is_open = self.is_open(from, Role::Caller, number);
        let is_held = self.ledger(from).held.contains(&number);
        let flow = self.flow_mut(number, Role::Caller);
        if is_open && !std::mem::replace(&mut flow.has_ended, true) && !is_held {
            self.ledger_mut(from).outgoing.push_back(QueuedFrame::ItemsEnd(number));
        }
    }

    /// Records that `at` took items. Returns their cost.
    pub(in super::super) fn took_items(
        &mut self,
        at: Endpoint,
        role: Role,
        number: usize,
        items: &VecDeque<Body>,
        receiving: Receiving,
    ) -> Result<usize, String> {
        let max = self.admission(at).item_bytes;
        if !self.is_open(at, role, number) {
            let is_right = receiving == Receiving::Closed && items.is_empty();
            ensure!(is_right, "took items of #{number}, which has ended");
            return Ok(0);
        }
        let flow = self.flow_mut(number, role.other());
        ensure!(*items == flow.untaken(), "#{number}: took other items than have arrived");
        let must = if flow.end_arrived { Receiving::Ended } else { Receiving::Open };
        ensure!(receiving == must, "#{number}: the items are {receiving:?}, not {must:?}");
        let cost = cost(flow.untaken());
        flow.taken = flow.arrived;
        flow.finished += cost;
        if !flow.end_arrived && 2 * flow.finished >= max {
            let credit = std::mem::take(&mut flow.finished);
            flow.held -= credit;
            self.ledger_mut(at).outgoing.push_back(QueuedFrame::ItemCredit(number, role, credit as u64));
        }
        Ok(cost)
    }

    /// Checks which streams have something new for the owner of `end`.
    pub(in super::super) fn became_ready(&mut self, end: Endpoint, ready: Vec<(Role, TxId)>) -> Verdict {
        let expected = std::mem::take(&mut self.ledger_mut(end).ready);
        ensure!(ready == expected, "{end}: the streams {ready:?} are ready, expected {expected:?}");
        Ok(())
    }

    pub(super) fn set_ready(&mut self, end: Endpoint, role: Role, number: usize) {
        let id = self.requests[number].id.clone();
        self.ledger_mut(end).ready.push((role, id));
    }

    /// Starts the items of the caller of a call that was held.
    pub(super) fn start_items(&mut self, from: Endpoint, number: usize) {
        if !self.has_flow(number, Role::Caller) {
            return;
        }
        if self.flow(number, Role::Caller).has_ended {
            self.ledger_mut(from).outgoing.push_back(QueuedFrame::ItemsEnd(number));
        } else {
            self.set_ready(from, Role::Caller, number);
        }
    }

    /// Request with this id whose streams are open at `to`, which has `role` in it.
    fn open_call(&self, to: Endpoint, role: Role, id: &TxId) -> Option<usize> {
        let numbers = match role {
            Role::Caller => self.in_use(to),
            Role::Callee => self.serving(to),
        };
        self.with_id(numbers, id).filter(|&number| self.is_open(to, role, number))
    }

    pub(super) fn item_arrived(&mut self, to: Endpoint, id: &TxId, from: Role, item: &Body) -> Verdict {
        let role = from.other();
        // An item for a call that has ended is passed over.
        let Some(number) = self.open_call(to, role, id) else {
            self.summary.late_items += 1;
            return Ok(());
        };
        let max = self.admission(to).item_bytes;
        let flow = self.flow_mut(number, from);
        ensure!(flow.items.get(flow.arrived) == Some(item), "#{number} got another item than the next one");
        ensure!(flow.held < max, "#{number} got an item without credit");
        flow.arrived += 1;
        flow.held += Admission::item_cost(item);
        if flow.untaken().len() == 1 {
            self.set_ready(to, role, number);
        }
        Ok(())
    }

    pub(super) fn items_end_arrived(&mut self, to: Endpoint, id: &TxId) -> Verdict {
        if let Some(number) = self.open_call(to, Role::Callee, id) {
            let flow = self.flow_mut(number, Role::Caller);
            let is_whole = flow.has_ended && flow.arrived == flow.items.len();
            ensure!(is_whole, "the items of #{number} ended early");
            flow.end_arrived = true;
            self.summary.ended_items += 1;
            self.set_ready(to, Role::Callee, number);
        }
        Ok(())
    }

    pub(super) fn item_credit_arrived(&mut self, to: Endpoint, id: &TxId, from: Role, bytes: u64) -> Verdict {
        let role = from.other();
        let Some(number) = self.open_call(to, role, id) else { return Ok(()) };
        let max = self.admission(to.other()).item_bytes;
        let flow = self.flow_mut(number, role);
        let was_waiting = flow.used >= max;
        let rest = usize::try_from(bytes).ok().and_then(|bytes| flow.used.checked_sub(bytes));
        flow.used = rest.ok_or("credit for more items than were sent")?;
        if was_waiting && flow.used < max {
            self.set_ready(to, role, number);
        }
        self.summary.item_credits += 1;
        Ok(())
    }

    /// Items that must come with the end of a call. `None`: the call has no streams.
    pub(super) fn rest(&self, number: usize) -> Option<Vec<Body>> {
        let has_streams = !self.requests[number].streams.is_none();
        has_streams.then(|| self.flow(number, Role::Callee).untaken().to_vec())
    }

    /// Removes the queued items, and their end, that `from` sends in `role`, because the call was
    /// given up.
    pub(super) fn remove_items(&mut self, from: Endpoint, role: Role, number: usize) {
        let ledger = self.ledger_mut(from);
        let before = ledger.outgoing.len();
        let is_item = |frame: &QueuedFrame| match frame {
            QueuedFrame::Item(other, by, _) => (*other, *by) == (number, role),
            QueuedFrame::ItemsEnd(other) => (*other, Role::Caller) == (number, role),
            _ => false,
        };
        ledger.outgoing.retain(|frame| !is_item(frame));
        ledger.retracted += before - ledger.outgoing.len();
    }

    /// Checks what the connection of `end` holds.
    pub(super) fn check_streams(&self, end: Endpoint, untaken_bytes: usize) -> Verdict {
        let max = self.admission(end).item_bytes;
        let mut bytes = 0;
        for (role, number) in self.streams(end, false) {
            if !self.is_open(end, role, number) {
                continue;
            }
            let untaken = self.flow(number, role.other()).untaken();
            let Some((_, before)) = untaken.split_last() else { continue };
            ensure!(cost(before) < max, "#{number} holds {} items, beyond its credit", untaken.len());
            bytes += untaken.iter().map(Body::len).sum::<usize>();
        }
        ensure!(untaken_bytes == bytes, "{end}: untaken_bytes() is {untaken_bytes}, not {bytes}");
        Ok(())
    }
}
