use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Message, StatusCode};
use isolated_workers::Error;
use isolated_workers::codec::Codec;
use isolated_workers::error::Executed;
use isolated_workers::protocol::{Request, Response};
use tokio::time::Instant;

use super::inbox::{self, Answer};
use super::shared::Shared;
use crate::errors::{self, CallName};
use crate::subject::{self, Subjects};
use crate::{error_headers, headers};

/// Wait before a call is sent again that found all machines full. It doubles.
const FIRST_BACKOFF: Duration = Duration::from_millis(2);
const MAX_BACKOFF: Duration = Duration::from_millis(100);
/// Time that a call waits for a lost connection to come back.
const RECONNECT_WAIT: Duration = Duration::from_secs(2);
const RECONNECT_CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// One call of a fleet. It is sent again only as long as no machine has begun it.
pub(super) struct Call<'a, C> {
    shared: &'a Shared<C>,
    request: &'a Request,
    name: CallName<'a>,
    service: String,
    subjects: Subjects,
    timeout: Option<Duration>,
    deadline: Option<Instant>,
}

/// Result of one message to a machine.
enum Sent {
    Reply(Message),
    /// Nobody listens to the subject.
    NoMachine,
    /// The machine has no room.
    Full,
}

impl<'a, C: Codec> Call<'a, C> {
    /// # Errors
    /// The fleet cannot take the request.
    pub(super) fn new(shared: &'a Shared<C>, request: &'a Request) -> Result<Self, Error> {
        let name = CallName { method: request.name(), fleet: &shared.fleet };
        if !request.streams().is_none() {
            return Err(errors::has_streams(name));
        }
        let schema = request.local_service().or_else(|| {
            shared
                .services
                .iter()
                .find(|schema| request.service().is_none_or(|service| service == schema.service()))
        });
        let Some(schema) = schema else { return Err(errors::unknown_service(name, request)) };
        let timeout = request.timeout().or(shared.timeout).filter(|timeout| !timeout.is_zero());
        Ok(Self {
            shared,
            request,
            name,
            service: schema.to_string(),
            subjects: Subjects::new(&shared.fleet, schema, C::ID),
            timeout,
            deadline: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
        })
    }

    /// Runs the call on any machine, or on that of `key`.
    ///
    /// # Errors
    /// The call failed, or its answer is an error.
    pub(super) async fn run(self, key: Option<u64>) -> Result<Response, Error> {
        let method = subject::escape(self.name.method);
        let (mut full_since, mut backoff) = (None, FIRST_BACKOFF);
        loop {
            let sent = match key {
                None => self.send_to_any(&method).await?,
                Some(key) => self.send_by_key(&method, key).await?,
            };
            match sent {
                Sent::Reply(message) => return self.response(message),
                Sent::NoMachine => return Err(errors::no_machine(self.name, &self.service, C::ID)),
                Sent::Full => {
                    let since = *full_since.get_or_insert_with(Instant::now);
                    let end = since + self.shared.full_wait;
                    let now = Instant::now();
                    if now >= end {
                        return Err(errors::all_full(self.name, self.shared.full_wait));
                    }
                    let wake = (now + jittered(backoff)).min(end);
                    if let (Some(deadline), Some(timeout)) = (self.deadline, self.timeout)
                        && wake >= deadline
                    {
                        tokio::time::sleep_until(deadline).await;
                        return Err(errors::timed_out(self.name, timeout, Executed::No));
                    }
                    tokio::time::sleep_until(wake).await;
                    backoff = (backoff * 2).min(MAX_BACKOFF);
                }
            }
        }
    }

    async fn send_to_any(&self, method: &str) -> Result<Sent, Error> {
        match self.send(self.subjects.call(method)).await? {
            // No machine has room, or there is none.
            Sent::NoMachine => self.send(self.subjects.any(method)).await,
            sent => Ok(sent),
        }
    }

    async fn send_by_key(&self, method: &str, key: u64) -> Result<Sent, Error> {
        let Shared { client, inbox, machines, .. } = self.shared;
        for machine in machines.ranked(client, inbox.here(), &self.subjects, key).await {
            match self.send(self.subjects.at(&machine, method)).await? {
                Sent::NoMachine => machines.gone(&self.subjects, &machine),
                sent => return Ok(sent),
            }
        }
        Ok(Sent::NoMachine)
    }

    /// Sends the request once and waits for its answer.
    async fn send(&self, to: String) -> Result<Sent, Error> {
        let Shared { client, inbox, .. } = self.shared;
        self.connected().await?;
        let rest = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let (id, reply_to, answer) = inbox.register();
        let body = self.request.body().clone().into_bytes();
        let published = match headers::of_request(self.request, rest) {
            None => client.publish_with_reply(to, reply_to, body).await,
            Some(headers) => client.publish_with_reply_and_headers(to, reply_to, headers, body).await,
        };
        if let Err(error) = published {
            inbox.forget(id);
            return Err(errors::unsent(self.name, &error, client.max_payload()));
        }
        let waiting = GiveUpOnDrop { shared: self.shared, id };
        let answer = match (self.deadline, self.timeout) {
            (Some(deadline), Some(timeout)) => match tokio::time::timeout_at(deadline, answer).await {
                Ok(answer) => answer,
                Err(_) => {
                    drop(waiting);
                    return Err(errors::timed_out(self.name, timeout, Executed::Maybe));
                }
            },
            _ => answer.await,
        };
        match answer {
            Ok(Answer::Message(message)) => Ok(self.sent(message)),
            Ok(Answer::Silence(machine)) => {
                let is_connected = client.connection_state() == State::Connected;
                Err(errors::silent(self.name, machine.as_deref(), self.shared.silence, is_connected))
            }
            // The reader has ended: its subscription was closed with the client.
            Err(_) => {
                inbox.forget(id);
                Err(errors::silent(self.name, None, self.shared.silence, false))
            }
        }
    }

    fn sent(&self, message: Message) -> Sent {
        if message.status == Some(StatusCode::NO_RESPONDERS) {
            return Sent::NoMachine;
        }
        let kind = message.headers.as_ref().and_then(|all| all.get(headers::KIND));
        if kind.is_some_and(|kind| kind.as_str() == headers::FULL) {
            Sent::Full
        } else {
            Sent::Reply(message)
        }
    }

    fn response(&self, message: Message) -> Result<Response, Error> {
        let Message { headers, payload, .. } = message;
        let Some(headers) = headers else { return Ok(Response::new(payload.into())) };
        if headers.get(headers::KIND).is_some_and(|kind| kind.as_str() == headers::ERROR) {
            return Err(error_headers::read(self.name.method, &headers, payload));
        }
        let metadata = headers::metadata(&headers).map_err(|error| error.with_executed(Executed::Yes))?;
        Ok(Response::with_metadata(payload.into(), metadata))
    }

    /// Waits for the connection, if it is lost.
    async fn connected(&self) -> Result<(), Error> {
        let client = &self.shared.client;
        if client.connection_state() == State::Connected {
            return Ok(());
        }
        let mut end = Instant::now() + RECONNECT_WAIT;
        if let Some(deadline) = self.deadline {
            end = end.min(deadline);
        }
        while Instant::now() < end {
            tokio::time::sleep(RECONNECT_CHECK_INTERVAL).await;
            if client.connection_state() == State::Connected {
                return Ok(());
            }
        }
        Err(errors::not_connected(self.name))
    }
}

/// Cancels a call whose caller no longer waits.
struct GiveUpOnDrop<'a, C> {
    shared: &'a Shared<C>,
    id: u64,
}

impl<C> Drop for GiveUpOnDrop<'_, C> {
    fn drop(&mut self) {
        let Some(machine) = self.shared.inbox.give_up(self.id) else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let Shared { client, fleet, inbox, .. } = self.shared;
        let (client, fleet, inbox, id) = (client.clone(), Arc::clone(fleet), Arc::clone(inbox), self.id);
        runtime.spawn(async move { inbox::cancel(&client, &fleet, &machine, &inbox, id).await });
    }
}

/// Returns a random time between a half of `backoff` and all of it, so that callers spread.
fn jittered(backoff: Duration) -> Duration {
    use std::hash::{BuildHasher, RandomState};
    let random = RandomState::new().hash_one(0_u8) % 1024;
    backoff / 2 + backoff / 2 * u32::try_from(random).unwrap_or_default() / 1024
}
