//! NATS' own service protocol: PING, INFO and STATS on `$SRV`. Its tools list fleets and their
//! statistics.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_nats::Message;
use futures_util::StreamExt;
use futures_util::stream::select_all;
use isolated_workers::Error;
use serde_json::{Value, json};

use super::machinery::Machinery;
use super::statistics::OTHER;
use crate::errors;
use crate::subject::{self, ALL, QUEUE_GROUP};

/// Answers the service protocol until the machine has drained.
pub(super) async fn spawn(machinery: &Arc<Machinery>) -> Result<(), Error> {
    let (name, id) = (service_name(&machinery.fleet), service_name(&machinery.id));
    let mut subscriptions = Vec::new();
    for verb in ["PING", "INFO", "STATS"] {
        for subject in
            [format!("$SRV.{verb}"), format!("$SRV.{verb}.{name}"), format!("$SRV.{verb}.{name}.{id}")]
        {
            let subscribed = machinery.client.subscribe(subject).await;
            subscriptions.push(subscribed.map_err(|error| errors::unsubscribed(&machinery.fleet, error))?);
        }
    }
    let machinery = Arc::clone(machinery);
    tokio::spawn(async move {
        let mut messages = select_all(subscriptions);
        let answer = async {
            while let Some(message) = messages.next().await {
                machinery.answer(&message).await;
            }
        };
        tokio::select! {
            () = answer => {}
            () = machinery.ended.cancelled() => {}
        }
    });
    Ok(())
}

impl Machinery {
    async fn answer(&self, message: &Message) {
        let Some(reply) = &message.reply else { return };
        let answer = match message.subject.split('.').nth(1) {
            Some("PING") => self.described("ping", json!({})),
            Some("INFO") => self.described("info", self.info()),
            _ => self.described("stats", self.statistics()),
        };
        if let Err(error) = self.client.publish(reply.clone(), answer.to_string().into()).await {
            tracing::debug!("could not answer a request of the service protocol: {error}");
        }
    }

    fn described(&self, kind: &str, more: Value) -> Value {
        let mut answer = json!({
            "type": format!("io.nats.micro.v1.{kind}_response"),
            "name": service_name(&self.fleet),
            "id": service_name(&self.id),
            "version": self.version,
            "metadata": { "isolated-workers": env!("CARGO_PKG_VERSION"), "fleet": self.fleet, "codec": self.codec },
        });
        if let (Value::Object(answer), Value::Object(more)) = (&mut answer, more) {
            answer.extend(more);
        }
        answer
    }

    fn info(&self) -> Value {
        json!({ "description": self.description, "endpoints": self.endpoints(|_, _| json!({})) })
    }

    fn statistics(&self) -> Value {
        let endpoints = self.endpoints(|service, method| {
            let counters = self.statistics.of(service, method);
            let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            json!({
                "num_requests": counters.requests,
                "num_errors": counters.errors,
                "last_error": counters.last_error.unwrap_or_default(),
                "processing_time": nanoseconds(counters.processing),
                "average_processing_time": nanoseconds(counters.processing).checked_div(counters.requests).unwrap_or(0),
            })
        });
        json!({
            "started": rfc3339(self.started),
            "endpoints": endpoints,
            "data": { "in_flight": self.admission.in_flight() },
        })
    }

    /// Endpoint of each method, with more members.
    fn endpoints(&self, more: impl Fn(usize, &str) -> Value) -> Vec<Value> {
        let mut endpoints = Vec::new();
        for (service, (schema, subjects)) in self.schemas.iter().zip(&self.subjects).enumerate() {
            let methods = schema.messages().iter().map(|(method, _)| *method);
            for method in methods.chain([OTHER]) {
                let (name, token) = match method {
                    OTHER => ("other".to_owned(), ALL.into()),
                    method => (service_name(method), subject::escape(method)),
                };
                let mut endpoint = json!({
                    "name": name,
                    "subject": subjects.call(&token),
                    "queue_group": QUEUE_GROUP,
                    "metadata": {
                        "service": schema.service(),
                        "fingerprint": format!("{:016x}", schema.fingerprint()),
                    },
                });
                if let (Value::Object(endpoint), Value::Object(more)) = (&mut endpoint, more(service, method))
                {
                    endpoint.extend(more);
                }
                endpoints.push(endpoint);
            }
        }
        endpoints
    }
}

/// Name within the service protocol: other characters than ASCII letters, digits, `-` and `_`
/// become `_`.
fn service_name(name: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '-' { letter } else { '_' };
    let name: String = name.chars().map(plain).collect();
    if name.is_empty() { "_".to_owned() } else { name }
}

/// Formats a time as `2026-01-31T12:00:00Z`.
fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Days of the civil calendar: years begin in March, so that the leap day is the last one.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (1_700_000_000, "2023-11-14T22:13:20Z"),
        ] {
            assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn names_of_the_service_protocol_have_only_its_characters() {
        assert_eq!(service_name("my fleet.é"), "my_fleet__");
        assert_eq!(service_name(""), "_");
    }
}
