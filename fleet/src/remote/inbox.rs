use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::{Client, Message, Subscriber};
use futures_util::StreamExt;
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::machines::Machines;
use crate::{headers, subject};

/// Interval at which silent calls are looked for. A silence is noticed this much later at most.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// End of the subject of a message that names the running calls.
pub(crate) const BEAT: &str = "beat";
/// End of the subject of a machine's answer to [`who`](subject::Subjects::who).
pub(crate) const HERE: &str = "here";

/// Answer to one message of a caller.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Message of a machine, or of the server.
    Message(Message),
    /// Nobody has named the call for too long. The machine, if it is known.
    Silence(Option<Arc<str>>),
}

/// Calls that wait for an answer, and the subject on which answers arrive.
#[derive(Debug)]
pub(crate) struct Inbox {
    prefix: String,
    calls: Mutex<Calls>,
}

#[derive(Default)]
struct Calls {
    next_id: u64,
    waiting: HashMap<u64, Waiting>,
}

struct Waiting {
    /// `None` after the caller has gone.
    answer: Option<oneshot::Sender<Answer>>,
    heard: Instant,
    machine: Option<Arc<str>>,
}

impl Inbox {
    pub(crate) fn new(prefix: String) -> Self {
        Self { prefix, calls: Mutex::default() }
    }

    /// Subject of all messages to this inbox.
    pub(crate) fn wildcard(&self) -> String {
        format!("{}.*", self.prefix)
    }

    /// Subject for the answers of machines that say that they serve.
    pub(crate) fn here(&self) -> String {
        format!("{}.{HERE}", self.prefix)
    }

    /// Adds a call. Returns its id, the subject of its answers, and the receiver of the first one.
    pub(crate) fn register(&self) -> (u64, String, oneshot::Receiver<Answer>) {
        let (sender, receiver) = oneshot::channel();
        let mut calls = self.lock();
        let id = calls.next_id;
        calls.next_id += 1;
        calls.waiting.insert(id, Waiting { answer: Some(sender), heard: Instant::now(), machine: None });
        drop(calls);
        (id, format!("{}.{id}", self.prefix), receiver)
    }

    /// Removes a call that was not sent.
    pub(crate) fn forget(&self, id: u64) {
        self.lock().waiting.remove(&id);
    }

    /// Gives up a call. Returns the machine to cancel it at, if that is known already. Otherwise
    /// its first beat is answered with a cancellation.
    pub(crate) fn give_up(&self, id: u64) -> Option<Arc<str>> {
        let mut calls = self.lock();
        let waiting = calls.waiting.get_mut(&id)?;
        waiting.answer = None;
        let machine = waiting.machine.clone();
        if machine.is_some() {
            calls.waiting.remove(&id);
        }
        machine
    }

    /// Number of calls that wait, including those that were given up and not yet cancelled.
    pub(crate) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, id: u64, message: Message) {
        let waiting = self.lock().waiting.remove(&id);
        if let Some(sender) = waiting.and_then(|waiting| waiting.answer) {
            let _ = sender.send(Answer::Message(message));
        }
    }

    /// Notes that a machine runs these calls. Returns those that were given up.
    fn beat(&self, machine: &str, ids: impl Iterator<Item = u64>) -> Vec<u64> {
        let now = Instant::now();
        let (mut given_up, mut name) = (Vec::new(), None);
        let mut calls = self.lock();
        for id in ids {
            let Some(waiting) = calls.waiting.get_mut(&id) else { continue };
            waiting.heard = now;
            if waiting.answer.is_none() {
                given_up.push(id);
            } else if waiting.machine.is_none() {
                waiting.machine = Some(Arc::clone(name.get_or_insert_with(|| Arc::from(machine))));
            }
        }
        for id in &given_up {
            calls.waiting.remove(id);
        }
        given_up
    }

    /// Ends the calls of which nobody has heard for `silence`.
    fn end_silent(&self, silence: Duration) {
        let now = Instant::now();
        let mut calls = self.lock();
        let ended: Vec<_> =
            calls.waiting.extract_if(|_, waiting| now.duration_since(waiting.heard) >= silence).collect();
        drop(calls);
        for (_, Waiting { answer, machine, .. }) in ended {
            if let Some(sender) = answer {
                let _ = sender.send(Answer::Silence(machine));
            }
        }
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").field("waiting", &self.waiting.len()).finish_non_exhaustive()
    }
}

/// Reader of an inbox.
pub(crate) struct Reader {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) machines: Arc<Machines>,
    pub(crate) client: Client,
    pub(crate) fleet: Arc<str>,
    pub(crate) silence: Duration,
}

impl Reader {
    /// Reads until `unused`, and then until no call is left to be cancelled.
    pub(crate) async fn run(self, mut messages: Subscriber, unused: CancellationToken) {
        let mut checks = tokio::time::interval(CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                message = messages.next() => match message {
                    Some(message) => self.handle(message).await,
                    None => return,
                },
                _ = checks.tick() => {
                    self.inbox.end_silent(self.silence);
                    if unused.is_cancelled() && self.inbox.len() == 0 {
                        return;
                    }
                }
            }
        }
    }

    async fn handle(&self, message: Message) {
        let Some((_, end)) = message.subject.rsplit_once('.') else { return };
        if let Ok(id) = end.parse() {
            self.inbox.answer(id, message);
            return;
        }
        let Some(machine) = message.headers.as_ref().and_then(|all| headers::text(all, headers::MACHINE))
        else {
            return;
        };
        match end {
            BEAT => {
                let ids = message.payload.chunks_exact(8);
                let given_up = self
                    .inbox
                    .beat(&machine, ids.filter_map(|id| Some(u64::from_be_bytes(id.try_into().ok()?))));
                self.cancel(&machine, &given_up).await;
            }
            HERE => {
                if let Ok(subjects) = std::str::from_utf8(&message.payload) {
                    self.machines.seen(subjects, &machine);
                }
            }
            _ => {}
        }
    }

    async fn cancel(&self, machine: &str, ids: &[u64]) {
        for &id in ids {
            cancel(&self.client, &self.fleet, machine, &self.inbox, id).await;
        }
    }
}

/// Sends a cancellation. It may be lost: the machine then runs the call to its end.
pub(crate) async fn cancel(client: &Client, fleet: &str, machine: &str, inbox: &Inbox, id: u64) {
    let call = format!("{}.{id}", inbox.prefix);
    if let Err(error) = client.publish(subject::control(fleet, machine), call.into()).await {
        tracing::debug!(machine, "could not cancel a call: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_call_ends_if_no_beat_names_it() {
        let inbox = Inbox::new("in".to_owned());
        let (named, _, mut named_answer) = inbox.register();
        let (_, _, mut other_answer) = inbox.register();
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(inbox.beat("m", [named, 99].into_iter()).is_empty());
        tokio::time::advance(Duration::from_secs(1)).await;
        inbox.end_silent(Duration::from_secs(2));
        assert!(matches!(other_answer.try_recv(), Ok(Answer::Silence(None))));
        named_answer.try_recv().unwrap_err();
        tokio::time::advance(Duration::from_secs(1)).await;
        inbox.end_silent(Duration::from_secs(2));
        assert!(matches!(named_answer.try_recv(), Ok(Answer::Silence(Some(machine))) if &*machine == "m"));
        assert_eq!(inbox.len(), 0);
    }

    #[tokio::test]
    async fn a_call_that_was_given_up_is_cancelled_at_the_machine_that_names_it() {
        let inbox = Inbox::new("in".to_owned());
        let (id, ..) = inbox.register();
        assert_eq!(inbox.give_up(id), None);
        assert_eq!(inbox.beat("m", [id].into_iter()), [id]);
        assert_eq!(inbox.len(), 0);
        let (id, _, _answer) = inbox.register();
        inbox.beat("m", [id].into_iter());
        assert_eq!(inbox.give_up(id).as_deref(), Some("m"));
        assert_eq!(inbox.len(), 0);
    }
}
