//! Checks of a whole connection: after each step, and at the end.

use super::{Answer, Connection, Endpoint, Frame, Oracle, QueuedFrame, Verdict, ensure};

/// Maximum size in bytes of a queued frame without its body.
const MAX_FRAME_BYTES: usize = 1024;

impl Oracle {
    /// Checks the getters of a connection.
    pub(in super::super) fn check(&self, end: Endpoint, connection: &Connection<usize>) -> Verdict {
        let ledger = self.ledger(end);
        let (is, must) = (connection.in_flight(), ledger.in_use.len());
        ensure!(is == must, "{end}: in_flight() is {is}, not {must}");
        let is_given_up = |number: &&usize| self.requests[**number].ended;
        let (is, must) = (connection.given_up(), ledger.in_use.iter().filter(is_given_up).count());
        ensure!(is == must, "{end}: given_up() is {is}, not {must}");
        let cancels = ledger.in_use.iter().filter(is_given_up).map(|&number| &self.requests[number]);
        let (is, must) =
            (connection.oldest_cancel(), cancels.filter_map(|request| request.cancelled_at).min());
        ensure!(is == must, "{end}: oldest_cancel() is {is:?}, not {must:?}");
        let is_cancelled =
            |number: &&usize| matches!(self.requests[**number].answer, Some(Answer::Cancelled));
        let (is, must) = (connection.cancelled(), ledger.serving.iter().filter(is_cancelled).count());
        ensure!(is == must, "{end}: cancelled() is {is}, not {must}");
        let (is, must) = (connection.serving(), ledger.serving.len());
        ensure!(is == must, "{end}: serving() is {is}, not {must}");

        let (is, must) = (connection.has_max_calls(), self.has_max_calls(end));
        ensure!(is == must, "{end}: has_max_calls() is {is}, not {must}");
        let (is, must) = (connection.held(), ledger.held.len());
        ensure!(is == must, "{end}: held() is {is}, not {must}");
        let (is, must) = (connection.has_max_oneways(), self.has_max_oneways(end));
        ensure!(is == must, "{end}: has_max_oneways() is {is}, not {must}");

        self.check_streams(end, connection.untaken_bytes())?;

        let queued = connection.queued_bytes();
        let least = ledger.outgoing.iter().map(|frame| match frame {
            QueuedFrame::Request(number) => self.requests[*number].body.len(),
            QueuedFrame::Answer(number) => match &self.requests[*number].answer {
                Some(Answer::Reply(body)) => body.len(),
                _ => 0,
            },
            QueuedFrame::Item(number, role, index) => self.flow(*number, *role).items[*index].len(),
            _ => 0,
        });
        let least = least.sum::<usize>();
        ensure!(queued >= least, "{end}: queued_bytes() is {queued}, but {least} bytes of bodies are queued");
        let most = least + ledger.outgoing.len() * MAX_FRAME_BYTES + ledger.retracted * size_of::<Frame>();
        ensure!(queued <= most, "{end}: queued_bytes() is {queued}, but at most {most} bytes are queued");
        let empty = ledger.outgoing.is_empty();
        ensure!((queued == 0) == empty, "{end}: queued_bytes() is {queued}, but the queue is empty: {empty}");

        let waiting = ledger.in_use.iter().map(|&number| &self.requests[number]);
        let first = waiting.filter(|request| !request.ended).filter_map(|request| request.deadline).min();
        let wakes = connection.poll_timeout();
        ensure!(
            first.is_none_or(|first| wakes.is_some_and(|at| at <= first)),
            "{end}: poll_timeout() is later than a deadline"
        );
        Ok(())
    }

    /// Checks that every request has ended. If `lossless`, also checks that none was lost.
    pub(in super::super) fn finish(&self, lossless: bool) -> Verdict {
        for (number, request) in self.requests.iter().enumerate() {
            ensure!(request.ended, "#{number} never ended");
            ensure!(!lossless || request.never != request.seen, "#{number} got lost");
        }
        for end in Endpoint::BOTH {
            ensure!(!lossless || !self.has_max_oneways(end), "{end} can never send a oneway message again");
            let ledger = self.ledger(end);
            let rest = (ledger.held.len(), ledger.outgoing.len(), ledger.in_use.len(), ledger.serving.len());
            ensure!(rest == (0, 0, 0, 0), "{end}: held, to transmit, in flight, serving: {rest:?}");
        }
        Ok(())
    }
}
