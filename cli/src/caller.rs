use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use isolated_workers::codec::{Cbor, Json, Postcard};
use isolated_workers::describe::{self, Description, StatusReport};
use isolated_workers::protocol::{Body, Items, Name, Request};
use isolated_workers::service::BoxService;
use isolated_workers::{Error, ErrorKind, Service};

use crate::answer::Answer;
use crate::failure::Failure;
use crate::outgoing_call::Call;
use crate::recorder::Recorder;
use crate::transcode::Transcode;

/// Worker of any codec, whose arguments and replies are JSON here.
#[derive(Clone)]
pub(crate) struct Caller {
    service: CodecService,
    recorder: Option<Arc<Recorder>>,
}

#[derive(Clone)]
pub(crate) enum CodecService {
    Json(BoxService<Json>),
    Cbor(BoxService<Cbor>),
    Postcard(BoxService<Postcard>),
}

/// Runs a function of a service of any codec.
macro_rules! each_codec {
    ($service:expr, $inner:ident => $run:expr) => {
        match $service {
            CodecService::Json($inner) => $run,
            CodecService::Cbor($inner) => $run,
            CodecService::Postcard($inner) => $run,
        }
    };
}

impl Caller {
    pub(crate) fn new(service: CodecService) -> Self {
        Self { service, recorder: None }
    }

    /// Returns the same worker, whose calls are recorded if there is a recorder.
    pub(crate) fn recorded_by(&self, recorder: Option<Arc<Recorder>>) -> Self {
        Self { service: self.service.clone(), recorder }
    }

    /// Makes a call, and returns its reply or its first items.
    pub(crate) async fn call(&self, call: Call) -> Result<Answer, Failure> {
        let entry = self.recorder.as_ref().map(|recorder| recorder.begin(&call));
        let answer = each_codec!(&self.service, service => send(service, request(service, call)?).await);
        match entry {
            Some(entry) => entry.end(answer),
            None => answer,
        }
    }

    /// Asks the worker what it can do.
    pub(crate) async fn describe(&self) -> Result<Description, Failure> {
        each_codec!(&self.service, service => Ok(describe::describe(service).await?))
    }

    /// Asks the worker what it can do. `None` if it does not say, or not to everybody.
    pub(crate) async fn description(&self) -> Option<Description> {
        self.describe().await.ok()
    }

    /// Asks the worker what it is doing.
    pub(crate) async fn status(&self) -> Result<StatusReport, Failure> {
        each_codec!(&self.service, service => Ok(describe::status(service).await?))
    }

    /// Returns the time that the worker takes to answer.
    pub(crate) async fn ping(&self) -> Result<Duration, Failure> {
        let begun = Instant::now();
        each_codec!(&self.service, service => describe::ping(service).await?);
        Ok(begun.elapsed())
    }

    /// Prepares a call that is made many times.
    pub(crate) fn prepare(&self, call: Call) -> Result<PreparedCall, Failure> {
        let request = each_codec!(&self.service, service => request(service, call)?);
        Ok(PreparedCall { service: self.service.clone(), request })
    }
}

/// Call that is made many times.
pub(crate) struct PreparedCall {
    service: CodecService,
    request: Request,
}

impl PreparedCall {
    /// Makes the call, and drops its reply.
    pub(crate) async fn make(&self) -> Result<(), Failure> {
        let request = self.request.clone();
        each_codec!(&self.service, service => drop(service.call(request).await?));
        Ok(())
    }
}

fn request<S>(service: &S, call: Call) -> Result<Request, Failure>
where
    S: Service<Codec: Transcode>,
{
    let codec = service.codec();
    let Call { target, arguments, metadata, timeout, is_stream, items } = call;
    let body = match arguments {
        Some(json) => codec.to_body(&json)?,
        None => Body::empty(),
    };
    let mut request = Request::new(Name::from(target.method.as_str()), body);
    if let Some(name) = target.service {
        request.set_service(name);
    }
    for (key, value) in metadata {
        request.metadata_mut().insert(key, value);
    }
    request.set_timeout(timeout);
    request.set_takes_items(is_stream);
    if let Some(items) = items {
        let codec = codec.clone();
        let bodies = items.map(move |item| codec.to_body(&item.map_err(into_error)?).map_err(into_error));
        request.set_items(Items::new(bodies));
    }
    Ok(request)
}

async fn send<S>(service: &S, request: Request) -> Result<Answer, Failure>
where
    S: Service<Codec: Transcode>,
{
    Answer::new(service.codec(), service.call(request).await?)
}

/// Error of an item that was not sent, which ends its call.
fn into_error(failure: Failure) -> Error {
    match failure {
        Failure::Worker(error) => error,
        other => Error::new(ErrorKind::Encode, other.message()),
    }
}
