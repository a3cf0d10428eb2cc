use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_nats::client::PublishErrorKind;
use async_nats::{HeaderMap, Message, Subject};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{AbortRegistration, Abortable};
use isolated_workers::error::Executed;
use isolated_workers::protocol::{Body, Budget, Name, Request, Response, TxId};
use isolated_workers::{Error, ErrorKind, Service};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::admission::Membership;
use super::listener::Listener;
use super::machinery::Machinery;
use crate::errors::{self, CallName};
use crate::subject::{self, ALL, QUEUE_GROUP};
use crate::{error_headers, headers};

/// Answers the calls of a machine with its service.
pub(super) struct Answering<S> {
    machinery: Arc<Machinery>,
    service: S,
}

impl<S: Service + 'static> Answering<S> {
    pub(super) fn new(machinery: Arc<Machinery>, service: S) -> Arc<Self> {
        Arc::new(Self { machinery, service })
    }

    /// Subscribes to the subjects of all services.
    pub(super) async fn start(self: Arc<Self>) -> Result<(), Error> {
        let Machinery { client, fleet, id, subjects, admission, .. } = &*self.machinery;
        let failed = |error| errors::unsubscribed(fleet, error);
        for (service, subjects) in subjects.iter().enumerate() {
            let any =
                client.queue_subscribe(subjects.any(ALL), QUEUE_GROUP.to_owned()).await.map_err(failed)?;
            let own = client.subscribe(subjects.at(id, ALL)).await.map_err(failed)?;
            for messages in [any, own] {
                self.spawn_listener(service, messages, admission.draining().clone());
            }
            self.spawn_presence(service).await?;
        }
        self.join().await
    }

    /// Joins the queue groups, if there is room.
    async fn join(self: &Arc<Self>) -> Result<(), Error> {
        let Machinery { client, fleet, subjects, admission, .. } = &*self.machinery;
        for Membership { service, end } in admission.join() {
            let subject = subjects[service].call(ALL);
            let messages = client
                .queue_subscribe(subject, QUEUE_GROUP.to_owned())
                .await
                .map_err(|error| errors::unsubscribed(fleet, error))?;
            self.spawn_listener(service, messages, end);
        }
        Ok(())
    }

    fn spawn_listener(
        self: &Arc<Self>,
        service: usize,
        messages: async_nats::Subscriber,
        end: CancellationToken,
    ) {
        let this = Arc::clone(self);
        let mut listener = Listener::new(Arc::clone(&self.machinery), messages, end);
        self.machinery.tasks.spawn(async move {
            while let Some(message) = listener.next().await {
                this.take(service, message).await;
            }
        });
    }

    /// Answers callers that ask which machines serve.
    async fn spawn_presence(self: &Arc<Self>, service: usize) -> Result<(), Error> {
        let Machinery { client, fleet, subjects, admission, .. } = &*self.machinery;
        let who = subjects[service].who();
        let messages =
            client.subscribe(who.clone()).await.map_err(|error| errors::unsubscribed(fleet, error))?;
        let this = Arc::clone(self);
        let mut listener = Listener::new(Arc::clone(&self.machinery), messages, admission.draining().clone());
        let mut machine = HeaderMap::new();
        headers::append_text(&mut machine, headers::MACHINE, &self.machinery.id);
        self.machinery.tasks.spawn(async move {
            while let Some(message) = listener.next().await {
                if let Some(reply) = message.reply {
                    this.send(&reply, Some(machine.clone()), who.clone().into()).await;
                }
            }
        });
        Ok(())
    }

    /// Takes a call, or says that there is no room.
    async fn take(self: &Arc<Self>, service: usize, message: Message) {
        let Some(reply) = message.reply.clone() else {
            tracing::debug!(subject = %message.subject, "ignored a message without a reply subject");
            return;
        };
        let Machinery { admission, running, tasks, .. } = &*self.machinery;
        if !admission.start() {
            let mut full = HeaderMap::new();
            full.insert(headers::KIND, headers::FULL);
            self.send(&reply, Some(full), Bytes::new()).await;
            return;
        }
        let Some(registration) = running.insert(&reply) else {
            admission.end();
            return;
        };
        let this = Arc::clone(self);
        tasks.spawn(async move {
            let started = Instant::now();
            let arrived = this.request(service, message);
            let is_oneway = arrived.as_ref().is_ok_and(|arrived| arrived.is_oneway);
            if is_oneway {
                this.send(&reply, None, Bytes::new()).await;
            }
            let (method, result) = match arrived {
                Ok(Arrived { request, .. }) => {
                    let method = request.name().to_owned();
                    let result = this.call(request, registration).await;
                    (method, result)
                }
                Err(error) => (String::new(), Err(error)),
            };
            this.machinery.running.remove(&reply);
            this.machinery.admission.end();
            this.machinery.statistics.count(service, &method, started.elapsed(), result.as_ref().err());
            match &result {
                _ if is_oneway => {}
                Ok(response) => this.reply(&reply, &method, response).await,
                Err(error) => this.fail(&reply, error).await,
            }
            if let Err(error) = this.join().await {
                tracing::warn!("could not take further calls: {error}");
            }
        });
    }

    /// Runs a call until its end or its cancellation.
    async fn call(&self, request: Request, cancellation: AbortRegistration) -> Result<Response, Error> {
        let (method, timeout) = (request.to_name(), request.timeout());
        let call = AssertUnwindSafe(async { self.service.call(request).await }).catch_unwind();
        let call = Abortable::new(call, cancellation);
        let ended = match timeout {
            // Its caller may be unable to cancel it.
            Some(timeout) => match tokio::time::timeout(timeout, call).await {
                Ok(ended) => ended,
                Err(_) => {
                    let name = CallName { method: method.as_str(), fleet: &self.machinery.fleet };
                    return Err(errors::timed_out(name, timeout, Executed::Maybe));
                }
            },
            None => call.await,
        };
        match ended {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => Err(errors::panicked(method.as_str(), panic_text(&*panic))),
            // Its caller has gone, or the machine was closed.
            Err(_) => Err(errors::cancelled(method.as_str())),
        }
    }

    /// Makes the request of a message.
    fn request(&self, service: usize, message: Message) -> Result<Arrived, Error> {
        let token = message.subject.rsplit('.').next().unwrap_or_default();
        let Some(name) = subject::unescape(token) else {
            let text =
                format!("could not read the name of a message: `{token}` is not escaped as it should be");
            return Err(Error::new(ErrorKind::Invalid, text));
        };
        let mut body: Body = message.payload.into();
        body.set_budget(Budget::default());
        let mut request = Request::new(Name::from(&*name), body);
        let mut is_oneway = false;
        if let Some(all) = &message.headers {
            *request.metadata_mut() = headers::metadata(all)?;
            if let Some(timeout) = headers::number(all, headers::TIMEOUT).map(Duration::from_millis) {
                request.set_timeout(Some(timeout));
                request.set_deadline(std::time::Instant::now().checked_add(timeout));
            }
            let retry = headers::number(all, headers::RETRY).unwrap_or_default();
            request.set_retry(u32::try_from(retry).unwrap_or(u32::MAX));
            request.set_idempotent(all.get(headers::IDEMPOTENT).is_some());
            if let Some(id) = headers::text(all, headers::ID) {
                request.set_id(TxId::from(&*id));
            }
            is_oneway = all.get(headers::ONEWAY).is_some();
        }
        request.set_service(self.machinery.schemas[service].service());
        Ok(Arrived { request, is_oneway })
    }

    async fn reply(&self, reply: &Subject, method: &str, response: &Response) {
        let mut headers = HeaderMap::new();
        headers::insert_metadata(&mut headers, response.metadata());
        let headers = (!headers.is_empty()).then_some(headers);
        let body = response.body().clone().into_bytes();
        let bytes = body.len();
        if !self.send(reply, headers, body).await {
            let max_payload = self.machinery.client.max_payload();
            self.fail(reply, &errors::reply_too_large(method, bytes, max_payload)).await;
        }
    }

    async fn fail(&self, reply: &Subject, error: &Error) {
        let (headers, value) = error_headers::write(error);
        let without_value = error_headers::without_value(&headers);
        if !self.send(reply, Some(headers), value).await {
            self.send(reply, Some(without_value), Bytes::new()).await;
        }
    }

    /// Sends a message to a caller. Returns `false` if it is too large.
    async fn send(&self, to: &Subject, headers: Option<HeaderMap>, payload: Bytes) -> bool {
        let client = &self.machinery.client;
        let sent = match headers {
            None => client.publish(to.clone(), payload).await,
            Some(headers) => client.publish_with_headers(to.clone(), headers, payload).await,
        };
        match sent {
            Ok(()) => true,
            Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => false,
            Err(error) => {
                tracing::debug!("could not answer a call: {error}");
                true
            }
        }
    }
}

/// Request of a message.
struct Arrived {
    request: Request,
    /// `true` if its caller waits only until it is taken.
    is_oneway: bool,
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("its panic has no text")
}
