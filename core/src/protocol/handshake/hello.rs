use std::borrow::Cow;
use std::fmt::Display;

use bytes::BytesMut;
use serde::{Deserialize, Serialize};

use super::messages::Messages;
use super::{Features, Identity, Terms};
use crate::protocol::Admission;
use crate::{Error, ErrorKind, Limits, Schema, Services};

/// Version of the protocol. It changes only with an incompatible change.
const PROTOCOL: u32 = 1;

/// Longest announcement of a sandbox. A longer one counts as none.
const MAX_SANDBOX_BYTES: usize = 1 << 10;

/// Hello line of one side. A receiver ignores unknown keys.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello<'a> {
    #[serde(rename = "isolated-workers")]
    protocol: u32,
    #[serde(borrow)]
    codec: Cow<'a, str>,
    #[serde(borrow)]
    transport: Cow<'a, str>,
    /// Default service of a worker, or the first one that a host requires. `None` from a host that
    /// accepts any service.
    #[serde(default)]
    service: Option<Schema>,
    /// Further services of the same kind. Ignored without `service`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    services: Vec<Schema>,
    pub(super) pid: u32,
    /// Version of isolated-workers.
    #[serde(borrow)]
    build: Cow<'a, str>,
    /// Secret created by the host that started the worker. Every later host must send it. Empty in
    /// a worker's line.
    #[serde(borrow, default)]
    pub(super) token: Cow<'a, str>,
    /// Maximum size in bytes of the frames that this side receives. `None`: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_frame: Option<u64>,
    /// Maximum size in bytes of the metadata in a frame that this side receives. `None`: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_metadata: Option<u64>,
    /// Amount that this side takes from its peer at once. `None`: unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    admission: Option<Admission>,
    /// Parts of the protocol that this side supports and that a peer may lack. A receiver ignores
    /// unknown names.
    #[serde(borrow, default, skip_serializing_if = "Vec::is_empty")]
    features: Vec<Cow<'a, str>>,
    /// Default service that a host offers to its worker, or the first one that a worker requires of
    /// its host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host_service: Option<Schema>,
    /// Further services of the same kind. Ignored without `host_service`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    host_services: Vec<Schema>,
    /// Protections that confine the worker.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    sandbox: Option<Cow<'a, str>>,
    /// Length in bytes of the startup data that follows the host's line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) startup: Option<usize>,
    /// Reason why the worker declined to start although both sides match.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) declined: Option<Cow<'a, str>>,
    /// Messages of a worker that refuses the host because of its service.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    messages: Option<Messages<'a>>,
}

impl<'a> Hello<'a> {
    pub(super) fn new(identity: Identity<'a>) -> Self {
        let (service, services) = split(&identity.services);
        let (host_service, host_services) = split(&identity.host_services);
        Self {
            protocol: PROTOCOL,
            codec: identity.codec.into(),
            transport: identity.transport.into(),
            service,
            services,
            pid: identity.pid,
            build: env!("CARGO_PKG_VERSION").into(),
            token: "".into(),
            max_frame: Some(identity.limits.frame as u64),
            max_metadata: Some(identity.limits.metadata as u64),
            admission: Some(identity.admission),
            features: identity.features.names().map(Cow::from).collect(),
            host_service,
            host_services,
            sandbox: identity.sandbox.map(Cow::from),
            startup: None,
            declined: None,
            messages: None,
        }
    }

    pub(super) fn to_line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("a hello holds only strings and numbers");
        line.push(b'\n');
        line
    }

    pub(super) fn parse(line: &'a [u8]) -> Result<Self, Error> {
        serde_json::from_slice(line).map_err(|error| not_a_handshake(line, &error.to_string()))
    }

    /// Returns the terms of a peer of this side that has `own`. An error about a frame always fits.
    /// `services`: services that the peer serves.
    pub(super) fn terms(&self, own: &Terms, services: Services) -> Terms {
        let limits = own.limits;
        let lower = |own: usize, theirs: Option<u64>| {
            theirs.map_or(own, |theirs| own.min(theirs.try_into().unwrap_or(usize::MAX)))
        };
        let frame = lower(limits.frame, self.max_frame).max(Limits::MIN_FRAME_BYTES);
        let limits = limits.frame(frame).metadata(lower(limits.metadata, self.max_metadata));
        Terms {
            limits,
            own_admission: own.own_admission,
            peer_admission: self.admission.map(Admission::at_least_one),
            peer_features: Features::of(self.features.iter().map(AsRef::as_ref)),
            peer_services: services,
            peer_sandbox: self
                .sandbox
                .as_deref()
                .filter(|it| it.len() <= MAX_SANDBOX_BYTES)
                .map(str::to_owned),
        }
    }

    /// Services of a worker, or those that a host requires.
    pub(super) fn services(&self) -> Result<Services, Error> {
        joined(self.service.as_ref(), &self.services)
    }

    /// Services that a host offers to its worker, or that a worker requires of its host.
    pub(super) fn host_services(&self) -> Result<Services, Error> {
        joined(self.host_service.as_ref(), &self.host_services)
    }

    /// Returns the line that refuses the host that has sent `theirs`, which lets it name the
    /// difference too.
    pub(super) fn refuse(&mut self, theirs: &Hello<'_>) -> Vec<u8> {
        if let (Ok(served), Ok(required)) = (self.services(), theirs.services()) {
            let mut pairs = required
                .as_slice()
                .iter()
                .filter_map(|required| Some((required, served.get(required.service())?)));
            let differing = pairs.find(|(required, served)| required != served);
            self.messages = differing.and_then(|(_, served)| Messages::of(served));
        }
        self.to_line()
    }

    /// Compares this side with the peer. `here` and `there` are their roles for the error text.
    pub(super) fn check(&self, theirs: &Hello<'_>, here: &str, there: &str) -> Result<(), Error> {
        let differ = |what: &str, own: &dyn Display, theirs: &dyn Display, remedy: &str| {
            let cause = format!("the {what} of this {here} is {own}, that of the {there} is {theirs}");
            Err(mismatch(&cause, remedy))
        };
        if self.protocol != theirs.protocol {
            let version =
                |hello: &Hello<'_>| format!("{} (isolated-workers {})", hello.protocol, hello.build);
            return differ("protocol", &version(self), &version(theirs), "build both with the same version");
        }
        if self.codec != theirs.codec {
            let remedy = "pass the same codec to `.codec(…)` on both sides";
            return differ("codec", &self.codec, &theirs.codec, remedy);
        }
        if self.transport != theirs.transport {
            let remedy = "pass the same transport to `.transport(…)` on both sides";
            return differ("transport", &self.transport, &theirs.transport, remedy);
        }
        Ok(())
    }

    /// Checks that `worker` serves each service that `host` requires. A worker that names no
    /// service may serve any.
    pub(super) fn check_services(
        host: &Hello<'_>,
        worker: &Hello<'_>,
        [here, there]: [&str; 2],
    ) -> Result<(), Error> {
        let (required, served) = (host.services()?, worker.services()?);
        if served.is_empty() {
            return Ok(());
        }
        let is_host = here == "host";
        for required_one in required.as_slice() {
            let name = required_one.service();
            let served_one = match served.get(name) {
                Some(served_one) if served_one == required_one => continue,
                Some(served_one) => served_one,
                None if required.len() == 1 && served.len() == 1 => &served.as_slice()[0],
                None => {
                    let cause = format!(
                        "the host requires the service {required_one}, and the worker serves {served}"
                    );
                    let remedy = format!(
                        "add `{name}` to the `Router` of the worker, or build both from the same definition of the service"
                    );
                    return Err(mismatch(&cause, &remedy));
                }
            };
            let (own, theirs) = if is_host { (required_one, served_one) } else { (served_one, required_one) };
            let messages = worker.messages.as_ref().filter(|_| is_host);
            let difference = messages.and_then(|messages| messages.difference(own, here, there));
            let named =
                difference.map_or_else(String::new, |difference| format!(", which differ in {difference}"));
            let cause =
                format!("the service of this {here} is {own}, that of the {there} is {theirs}{named}");
            return Err(mismatch(&cause, "build both from the same definition of the service"));
        }
        Ok(())
    }

    /// Checks that `host` offers each service that `worker` requires.
    pub(super) fn check_host_services(host: &Hello<'_>, worker: &Hello<'_>) -> Result<(), Error> {
        let (offered, required) = (host.host_services()?, worker.host_services()?);
        let differs = |required: &&Schema| offered.get(required.service()) != Some(*required);
        let Some(required) = required.as_slice().iter().find(differs) else { return Ok(()) };
        let offers = if offered.is_empty() { "none".to_owned() } else { offered.to_string() };
        let remedy = match offered.get(required.service()) {
            None if offered.len() != 1 => "pass it to `Worker::builder(..).serve(..)`",
            _ => "build both from the same definition of the service",
        };
        let cause =
            format!("the worker calls the service {required} of its host, and the host serves {offers}");
        Err(mismatch(&cause, remedy))
    }
}

fn mismatch(cause: &str, remedy: &str) -> Error {
    Error::new(ErrorKind::Handshake, format!("could not connect host and worker: {cause}; {remedy}"))
}

/// Returns the default service and the further ones.
fn split(services: &Services) -> (Option<Schema>, Vec<Schema>) {
    match services.as_slice() {
        [] => (None, Vec::new()),
        [first, further @ ..] => (Some(first.clone()), further.to_vec()),
    }
}

/// Returns the services that a side has announced.
fn joined(first: Option<&Schema>, further: &[Schema]) -> Result<Services, Error> {
    let Some(first) = first else { return Ok(Services::default()) };
    let schemas = std::iter::once(first).chain(further).cloned().collect();
    Services::new(schemas).map_err(|cause| {
        mismatch(
            &format!("a list of services is invalid: {cause}"),
            "announce each service once, by its name",
        )
    })
}

/// Input buffer that collects one line.
#[derive(Debug, Default)]
pub(super) struct Line {
    pub(super) buffer: BytesMut,
    /// Number of leading bytes known to contain no line feed.
    scanned: usize,
}

impl Line {
    /// Maximum length of a line in bytes, without its line feed.
    pub(super) const MAX_BYTES: usize = 64 << 10;

    pub(super) fn new() -> Self {
        Self { buffer: BytesMut::with_capacity(1024), scanned: 0 }
    }

    /// Takes the line, with its line feed, out of the buffer. `Ok(None)`: more bytes are needed.
    pub(super) fn take(&mut self) -> Result<Option<BytesMut>, Error> {
        if let Some(at) = self.buffer[self.scanned..].iter().position(|byte| *byte == b'\n') {
            let length = self.scanned + at;
            if length <= Self::MAX_BYTES {
                self.scanned = 0;
                return Ok(Some(self.buffer.split_to(length + 1)));
            }
        }
        self.scanned = self.buffer.len();
        if self.scanned > Self::MAX_BYTES {
            return Err(not_a_handshake(&self.buffer, "its first line does not end"));
        }
        Ok(None)
    }
}

fn not_a_handshake(line: &[u8], cause: &str) -> Error {
    let start = String::from_utf8_lossy(&line[..line.len().min(80)]);
    let text = format!(
        "could not complete the handshake: the peer does not speak the protocol of isolated-workers: {cause}, in \
         {start:?}; call `.without_handshake()` if the peer has none"
    );
    Error::new(ErrorKind::Handshake, text)
}
