//! Second service of a worker or a host. Its messages have the names of those of the first one, and
//! other types.

use std::sync::{Mutex, PoisonError};

use isolated_workers_codec::Codec;
use isolated_workers_core::{Error, Message, Never, Request, Response, Schema};
use isolated_workers_middleware::{Handler, Router, handler};
use serde::{Deserialize, Serialize};

use super::service::message;
use super::stream_service::service;

pub(super) const SCHEMA: Schema = Schema::new("SecondConformance", 2);

static SERVICE: Schema = SCHEMA;

message!(
    /// Number of bytes of the text.
    Echo { text: String } -> usize, Never
);
message!(
    /// Adds a number.
    Note { number: u64 } -> (), Never, ONEWAY = true
);
message!(
    /// Sum of the numbers.
    Notes {} -> u64, Never
);

/// Returns a handler of both services. The first one is the default.
pub(super) fn both_services() -> impl Handler {
    Router::new().add(service()).add(SecondHandler::default())
}

#[derive(Default)]
struct SecondHandler(Mutex<u64>);

impl Handler for SecondHandler {
    const SCHEMA: Schema = SCHEMA;

    async fn handle<C: Codec>(&self, codec: &C, request: Request) -> Result<Response, Error> {
        use handler::respond;
        match request.name() {
            Echo::NAME => respond(codec, request, async |Echo { text }| Ok(text.len())).await,
            Note::NAME => {
                respond(codec, request, async |Note { number }| {
                    *self.0.lock().unwrap_or_else(PoisonError::into_inner) += number;
                    Ok(())
                })
                .await
            }
            Notes::NAME => {
                respond(codec, request, async |Notes {}| {
                    Ok(*self.0.lock().unwrap_or_else(PoisonError::into_inner))
                })
                .await
            }
            _ => Err(handler::unknown_message(&SCHEMA, &request)),
        }
    }
}
