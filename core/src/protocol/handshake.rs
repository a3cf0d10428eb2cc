//! Handshake: one line of JSON in each direction before the first frame, independent of the codec.
//!
//! Each half is a state machine without I/O. The owner sends the bytes that the half returns and
//! reads the peer's bytes into its [`input`](HostHandshake::input). After each read, the owner
//! calls [`handle_input`](HostHandshake::handle_input). `Ok(None)` means "more bytes are needed".
//! Bytes after the handshake belong to the first frames and are returned to the owner.
//!
//! ```
//! use isolated_workers_core::{Limits, Schema, Services};
//! use isolated_workers_core::protocol::Admission;
//! use isolated_workers_core::protocol::handshake::{Features, HostHandshake, Identity, WorkerHandshake};
//!
//! let schema = Schema::new("Calculator", 1);
//! let limits = Limits::default();
//! let services = schema.into();
//! let (admission, features) = (Admission::HOST, Features::default());
//! let host = Identity {
//!     codec: "json",
//!     transport: "stdio",
//!     services,
//!     pid: 1,
//!     limits,
//!     admission,
//!     features,
//!     host_services: Services::default(),
//!     sandbox: None,
//! };
//! let worker = Identity { pid: 2, admission: Admission::WORKER, ..host.clone() };
//!
//! let mut host = HostHandshake::new(host, "a secret token", None);
//! let mut token = None;
//! let mut worker = WorkerHandshake::new(worker, &mut token, 1024);
//!
//! worker.input().extend_from_slice(&host.hello());
//! let greeting = worker.handle_input().ok().flatten().expect("both sides match");
//! assert_eq!(greeting.host_pid(), 1);
//!
//! let (answer, _frames) = greeting.accept();
//! host.input().extend_from_slice(&answer);
//! assert!(host.handle_input().is_ok_and(|frames| frames.is_some()));
//! ```

mod features;
mod hello;
mod host;
mod messages;
#[cfg(test)]
mod services_tests;
mod worker;

use std::fmt;
use std::hint::black_box;

pub use self::features::Features;
use self::hello::{Hello, Line};
pub use self::host::HostHandshake;
pub use self::worker::{Greeting, Rejection, WorkerHandshake};
use crate::protocol::{Admission, Connection};
use crate::{Error, Limits, Services};

/// Properties that each side announces to the other. Codec and transport must match, and each
/// service that one side requires must be served by the other.
#[derive(Clone, Debug)]
pub struct Identity<'a> {
    /// Name of the codec.
    pub codec: &'a str,
    /// Name of the transport.
    pub transport: &'a str,
    /// Services that a worker serves, or that a host requires. Empty on a host that accepts any
    /// service.
    pub services: Services,
    /// Process id of this side.
    pub pid: u32,
    /// Limits of the frames that this side receives. The peer sends no larger ones.
    pub limits: Limits,
    /// Amount that this side takes from its peer at once.
    pub admission: Admission,
    /// Parts of the protocol that this side supports.
    pub features: Features,
    /// Services that a host offers to its worker, or that a worker requires of its host.
    pub host_services: Services,
    /// Protections that confine a worker, as its host wrote them. `None` on a host, and in a worker
    /// that is not confined.
    pub sandbox: Option<&'a str>,
}

/// Rules that both sides of a connection keep, from their announcements in the handshake.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Limits of the frames to send: the lower ones of both sides.
    pub limits: Limits,
    /// Amount that this side takes from its peer at once.
    pub own_admission: Admission,
    /// Amount that the peer takes at once. `None` if it has announced nothing. It then does not
    /// wait before it exceeds `own_admission` either.
    pub peer_admission: Option<Admission>,
    /// Parts of the protocol that the peer supports.
    pub peer_features: Features,
    /// Services that the peer serves. Empty if it has announced none.
    pub peer_services: Services,
    /// Protections that the peer has announced, of up to 1 KiB. The peer may lie.
    pub peer_sandbox: Option<String>,
}

impl From<Limits> for Terms {
    /// Returns the terms of a peer that has announced nothing.
    fn from(limits: Limits) -> Self {
        Self {
            limits,
            own_admission: Admission::UNANNOUNCED,
            peer_admission: None,
            peer_features: Features::default(),
            peer_services: Services::default(),
            peer_sandbox: None,
        }
    }
}

impl Terms {
    /// Creates the state of a connection on these terms.
    pub fn connection<T>(&self) -> Connection<T> {
        match self.peer_admission {
            Some(peer) => Connection::with_admission(self.own_admission, peer),
            None => Connection::new(),
        }
    }
}

impl From<&Identity<'_>> for Terms {
    fn from(own: &Identity<'_>) -> Self {
        Self { own_admission: own.admission, ..own.limits.into() }
    }
}

/// Failure of a handshake on the host's side.
#[derive(Debug)]
#[non_exhaustive]
pub enum HandshakeFailure {
    /// The sides do not match, or the peer speaks another protocol.
    Refused(Error),
    /// The sides match, but the worker declined to start. Holds its reason.
    Declined(String),
}

impl fmt::Display for HandshakeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::Declined(reason) => write!(f, "the worker declined to start: {reason}"),
        }
    }
}

impl From<Error> for HandshakeFailure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// Compares two tokens. The time depends on their lengths only, so that a peer cannot guess a token
/// byte by byte.
pub fn tokens_match(own: &str, theirs: &str) -> bool {
    let differ =
        own.bytes().zip(theirs.bytes()).fold(0, |differ, (own, theirs)| black_box(differ | (own ^ theirs)));
    own.len() == theirs.len() && black_box(differ) == 0
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::Schema;

    /// Hello line that docs/wire.md shows for this side.
    pub(super) fn documented(side: &str) -> String {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/wire.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (_, block) = page.split_once(&format!("```json hello:{side}\n")).unwrap();
        block.split_once("```").unwrap().0.to_owned()
    }

    pub(super) fn keys(line: &[u8]) -> Vec<String> {
        let Value::Object(line) = serde_json::from_slice(line).unwrap() else { panic!("no object") };
        line.into_iter().map(|(key, _)| key).collect()
    }

    pub(super) fn identity(pid: u32) -> Identity<'static> {
        let services = Schema::new("Calculator", 1).into();
        Identity {
            codec: "json",
            transport: "unix-socket",
            services,
            pid,
            limits: Limits::default(),
            admission: Admission::WORKER,
            features: Features::default(),
            host_services: Services::default(),
            sandbox: None,
        }
    }

    /// Startup data of the length that docs/wire.md shows.
    const STARTUP: &[u8] = b"{\"digits\":12}";

    #[test]
    fn the_documented_worker_line_is_accepted_and_the_host_line_has_the_documented_keys() {
        let mut host = HostHandshake::new(identity(1), "a token", Some(STARTUP.len()));
        assert_eq!(keys(&host.hello()), keys(documented("host").as_bytes()));
        host.input().extend_from_slice(documented("worker").as_bytes());
        assert!(host.handle_input().unwrap().is_some_and(|rest| rest.is_empty()));
    }

    #[test]
    fn the_documented_host_line_is_accepted_and_the_worker_line_has_the_documented_keys() {
        let mut token = None;
        let mut worker = WorkerHandshake::new(identity(2), &mut token, 99);
        worker.input().extend_from_slice(documented("host").as_bytes());
        worker.input().extend_from_slice(STARTUP);
        worker.input().extend_from_slice(b"a frame");
        let greeting = worker.handle_input().unwrap().unwrap();
        assert_eq!((greeting.host_pid(), greeting.startup()), (4711, Some(STARTUP)));
        let (answer, rest) = greeting.accept();
        assert_eq!((keys(&answer), &rest[..]), (keys(documented("worker").as_bytes()), &b"a frame"[..]));
        assert_eq!(token.as_deref(), Some("5fd0c6f1-8a39-4a2e-9c65-4f2a2ac1b1de"));
    }

    #[test]
    fn a_handshake_may_arrive_byte_by_byte() {
        let mut host = HostHandshake::new(identity(1), "a token", Some(STARTUP.len()));
        let mut token = None;
        let mut worker = WorkerHandshake::new(identity(2), &mut token, 99);
        let sent = [&host.hello()[..], STARTUP].concat();
        let mut greeting = None;
        for byte in sent {
            assert!(greeting.is_none());
            worker.input().extend_from_slice(&[byte]);
            greeting = worker.handle_input().unwrap();
        }
        let (answer, _) = greeting.expect("the host has sent everything").accept();
        let (last, first) = answer.split_last().unwrap();
        for byte in first {
            host.input().extend_from_slice(&[*byte]);
            assert!(host.handle_input().unwrap().is_none());
        }
        host.input().extend_from_slice(&[*last, b'f']);
        assert_eq!(host.handle_input().unwrap().unwrap(), &b"f"[..]);
    }

    #[test]
    fn both_sides_name_a_difference() {
        let mut token = None;
        let mut host = HostHandshake::new(Identity { codec: "cbor", ..identity(1) }, "a token", None);
        let mut worker = WorkerHandshake::new(identity(2), &mut token, 99);
        worker.input().extend_from_slice(&host.hello());
        let Rejection { answer, error } = worker.handle_input().unwrap_err();
        assert!(error.to_string().contains("the codec of this worker is json, that of the host is cbor"));
        host.input().extend_from_slice(&answer.expect("a host that does not match gets an answer"));
        let failure = host.handle_input().unwrap_err().to_string();
        assert!(failure.contains("the codec of this host is cbor, that of the worker is json"), "{failure}");
    }

    #[test]
    fn a_host_names_the_messages_that_differ() {
        let identity = |messages, fingerprint| {
            let services = Schema::new("Calculator", fingerprint).with_messages(messages).into();
            Identity { services, ..identity(1) }
        };
        let refused = |own, theirs| {
            let mut token = None;
            let mut host = HostHandshake::new(own, "a token", None);
            let mut worker = WorkerHandshake::new(theirs, &mut token, 99);
            worker.input().extend_from_slice(&host.hello());
            let answer = worker.handle_input().unwrap_err().answer.expect("an answer");
            host.input().extend_from_slice(&answer);
            host.handle_input().unwrap_err().to_string()
        };
        let (old, new) = (&[("add", 1), ("divide", 2)], &[("add", 9), ("log", 4)]);
        let named = refused(identity(old, 1), identity(new, 2));
        let difference = ", which differ in `add` with another signature, `divide` only in this host, `log` only in the worker; build";
        assert!(named.contains(difference), "{named}");
        for (own, theirs) in [(identity(old, 1), identity(&[], 2)), (identity(&[], 1), identity(new, 2))] {
            let unnamed = refused(own, theirs);
            assert!(unnamed.contains("Calculator (0000000000000002); build both"), "{unnamed}");
        }
    }

    #[test]
    fn each_side_sends_within_the_limits_of_both() {
        let limits = Limits::default();
        let (large, small) = (limits.frame(64 << 20).metadata(10), limits.frame(1 << 20).metadata(20));
        for (host, worker) in [(large, small), (small, large)] {
            let mut token = None;
            let mut hosts = HostHandshake::new(Identity { limits: host, ..identity(1) }, "t", None);
            let own = Identity { limits: worker, ..identity(2) };
            let mut workers = WorkerHandshake::new(own, &mut token, 99);
            workers.input().extend_from_slice(&hosts.hello());
            let greeting = workers.handle_input().unwrap().unwrap();
            let both = |limits: Limits| (limits.frame, limits.metadata) == (1 << 20, 10);
            assert!(both(greeting.terms().limits));
            hosts.input().extend_from_slice(&greeting.accept().0);
            hosts.handle_input().unwrap().unwrap();
            assert!(both(hosts.terms().limits));
        }
    }

    #[test]
    fn a_peer_may_name_no_limits_or_absurd_ones() {
        let line = documented("worker");
        for (max, frame) in [(None, 8 << 20), (Some(0), 1 << 10), (Some(u64::MAX), 8 << 20)] {
            let mut line: Value = serde_json::from_str(&line).unwrap();
            let keys = line.as_object_mut().unwrap();
            match max {
                Some(max) => keys.insert("max_frame".into(), max.into()),
                None => keys.remove("max_frame"),
            };
            let mut host = HostHandshake::new(identity(1), "a token", None);
            host.input().extend_from_slice(format!("{line}\n").as_bytes());
            assert!(host.handle_input().unwrap().is_some());
            assert_eq!(host.terms().limits.frame, frame, "{line}");
        }
    }

    #[test]
    fn each_side_learns_what_the_other_takes() {
        let mut token = None;
        let mut host = HostHandshake::new(Identity { admission: Admission::HOST, ..identity(1) }, "t", None);
        let mut worker = WorkerHandshake::new(identity(2), &mut token, 99);
        worker.input().extend_from_slice(&host.hello());
        let greeting = worker.handle_input().unwrap().unwrap();
        let admissions = |terms: &Terms| (terms.own_admission, terms.peer_admission);
        assert_eq!(admissions(greeting.terms()), (Admission::WORKER, Some(Admission::HOST)));
        host.input().extend_from_slice(&greeting.accept().0);
        host.handle_input().unwrap().unwrap();
        assert_eq!(admissions(host.terms()), (Admission::HOST, Some(Admission::WORKER)));
    }

    #[test]
    fn a_peer_may_announce_nothing_or_no_room() {
        let line = documented("worker");
        let one = Admission { requests: 1, request_bytes: 1, oneway_bytes: 1, item_bytes: 0 };
        for (announced, expected) in [
            (None, None),
            (Some("{}"), Some(Admission::UNANNOUNCED)),
            (Some(r#"{"requests":0,"request_bytes":0,"oneway_bytes":0}"#), Some(one)),
        ] {
            let mut line: Value = serde_json::from_str(&line).unwrap();
            let keys = line.as_object_mut().unwrap();
            match announced {
                Some(announced) => keys.insert("admission".into(), serde_json::from_str(announced).unwrap()),
                None => keys.remove("admission"),
            };
            let mut host = HostHandshake::new(identity(1), "a token", None);
            host.input().extend_from_slice(format!("{line}\n").as_bytes());
            assert!(host.handle_input().unwrap().is_some());
            assert_eq!(host.terms().peer_admission, expected, "{line}");
        }
    }

    #[test]
    fn a_worker_learns_the_features_of_its_host_and_ignores_unknown_ones() {
        let features = Features::of_host(true);
        let host_services = Schema::new("Progress", 1).into();
        let host = Identity { features, host_services, ..identity(1) };
        let host = HostHandshake::new(host, "t", None);
        for (hello, expected) in [
            (String::from_utf8(host.hello()).unwrap(), true),
            (documented("host").replace("\"startup\":13", "\"features\":[\"x\"],\"unknown\":1"), false),
        ] {
            let mut token = None;
            let mut worker = WorkerHandshake::new(identity(2), &mut token, 99);
            worker.input().extend_from_slice(hello.as_bytes());
            let greeting = worker.handle_input().unwrap().unwrap();
            assert_eq!(greeting.terms().peer_features.callbacks, expected, "{hello}");
        }
    }

    #[test]
    fn both_sides_name_a_host_service_that_is_missing_or_differs() {
        let required = Services::from(Schema::new("Progress", 1));
        for (offered, cause) in [
            (None, "and the host serves none; pass it"),
            (Some(Schema::new("Progress", 2)), "and the host serves Progress (0000000000000002); build"),
        ] {
            let host_services = offered.map_or_else(Services::default, Services::from);
            let mut host = HostHandshake::new(Identity { host_services, ..identity(1) }, "t", None);
            let mut token = None;
            let own = Identity { host_services: required.clone(), ..identity(2) };
            let mut worker = WorkerHandshake::new(own, &mut token, 99);
            worker.input().extend_from_slice(&host.hello());
            let Rejection { answer, error } = worker.handle_input().unwrap_err();
            assert!(error.to_string().contains(cause), "{error}");
            host.input().extend_from_slice(&answer.unwrap());
            let failure = host.handle_input().unwrap_err().to_string();
            assert!(failure.contains(cause), "{failure}");
        }
    }

    #[test]
    fn only_equal_tokens_match() {
        assert!(tokens_match("", "") && tokens_match("a token", "a token"));
        for other in ["", "a", "a tokem", "a token ", "b token"] {
            assert!(!tokens_match("a token", other) && !tokens_match(other, "a token"), "{other}");
        }
    }

    #[test]
    fn a_peer_without_the_token_gets_no_answer() {
        let mut token = Some("the first token".to_owned());
        let host = HostHandshake::new(identity(1), "another token", None);
        let mut worker = WorkerHandshake::new(identity(2), &mut token, 99);
        worker.input().extend_from_slice(&host.hello());
        assert!(worker.handle_input().unwrap_err().answer.is_none());
        assert_eq!(token.as_deref(), Some("the first token"));
    }

    #[test]
    fn startup_data_is_limited_and_only_for_the_first_host() {
        for (known, max, reason) in
            [(None, 5, "allows 5 bytes"), (Some("t".to_owned()), 99, "already started")]
        {
            let mut token = known;
            let mut host = HostHandshake::new(identity(1), "t", Some(6));
            let mut worker = WorkerHandshake::new(identity(2), &mut token, max);
            worker.input().extend_from_slice(&host.hello());
            let rejection = worker.handle_input().unwrap_err();
            assert!(rejection.error.to_string().contains(reason), "{}", rejection.error);
            host.input().extend_from_slice(&rejection.answer.unwrap());
            let failure = host.handle_input().unwrap_err();
            assert!(matches!(&failure, HandshakeFailure::Declined(why) if why.contains(reason)), "{failure}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_refused_at_the_limit() {
        let mut host = HostHandshake::new(identity(1), "a token", None);
        host.input().extend_from_slice(&[b'x'; Line::MAX_BYTES]);
        assert!(host.handle_input().unwrap().is_none());
        host.input().extend_from_slice(b"x");
        let failure = host.handle_input().unwrap_err().to_string();
        assert!(failure.contains("first line does not end"), "{failure}");
    }
}
