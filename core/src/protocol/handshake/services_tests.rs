//! Tests of sides that serve or require several services.

use super::tests::{documented, identity, keys};
use super::*;
use crate::Schema;

fn services(names: &[(&'static str, u64)]) -> Services {
    Services::new(names.iter().map(|(name, fingerprint)| Schema::new(name, *fingerprint)).collect()).unwrap()
}

/// Runs a handshake. Returns the services that each side knows of its peer, or the errors of both.
fn handshake(
    host: Identity<'static>,
    worker: Identity<'static>,
) -> Result<[Services; 2], [Option<String>; 2]> {
    let mut token = None;
    let mut host = HostHandshake::new(host, "a token", None);
    let mut worker = WorkerHandshake::new(worker, &mut token, 99);
    worker.input().extend_from_slice(&host.hello());
    let (answer, of_worker) = match worker.handle_input() {
        Ok(greeting) => {
            let greeting = greeting.expect("the host has sent everything");
            let hosts = greeting.terms().peer_services.clone();
            (greeting.accept().0, Ok(hosts))
        }
        Err(Rejection { answer, error }) => {
            (answer.expect("a host that does not match gets an answer"), Err(error))
        }
    };
    host.input().extend_from_slice(&answer);
    let accepted = host.handle_input();
    match (accepted, of_worker) {
        (Ok(_), Ok(hosts)) => Ok([host.terms().peer_services.clone(), hosts]),
        (of_host, of_worker) => Err([
            of_host.err().map(|error| error.to_string()),
            of_worker.err().map(|error| error.to_string()),
        ]),
    }
}

fn serving(names: &[(&'static str, u64)]) -> Identity<'static> {
    Identity { services: services(names), ..identity(1) }
}

fn offering(names: &[(&'static str, u64)]) -> Identity<'static> {
    Identity { host_services: services(names), ..identity(1) }
}

/// Asserts that both sides refuse, with this text.
fn assert_refused(host: Identity<'static>, worker: Identity<'static>, text: &str) {
    for error in handshake(host, worker).unwrap_err() {
        let error = error.expect("both sides refuse");
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn each_side_learns_the_services_of_the_other() {
    let (both, own) = ([("Store", 1), ("Journal", 2)], [("Progress", 3), ("Clock", 4)]);
    let host = Identity { host_services: services(&own), ..serving(&[]) };
    let [of_worker, of_host] = handshake(host, serving(&both)).unwrap();
    assert_eq!((of_worker, of_host), (services(&both), services(&own)));
}

#[test]
fn a_host_may_require_any_of_the_services() {
    let both = [("Store", 1), ("Journal", 2)];
    for required in [&both[..], &both[..1], &both[1..], &[("Journal", 2), ("Store", 1)], &[]] {
        assert!(handshake(serving(required), serving(&both)).is_ok(), "{required:?}");
        assert!(handshake(offering(&both), offering(required)).is_ok(), "{required:?}");
    }
}

#[test]
fn a_worker_that_names_no_service_may_serve_any() {
    assert!(handshake(serving(&[("Store", 1), ("Journal", 2)]), serving(&[])).is_ok());
}

#[test]
fn the_service_that_is_missing_is_named() {
    let (store, both) = ([("Store", 1)], [("Store", 1), ("Journal", 2)]);
    let missing = "the host requires the service Journal (0000000000000002), and the worker serves Store \
                   (0000000000000001); add `Journal` to the `Router`";
    assert_refused(serving(&both), serving(&store), missing);
    let missing = "the host requires the service Clock (0000000000000004), and the worker serves Store (0000000000000001), \
         Journal (0000000000000002); add `Clock`";
    assert_refused(serving(&[("Clock", 4)]), serving(&both), missing);
    let missing = "the worker calls the service Clock (0000000000000004) of its host, and the host serves Store \
                   (0000000000000001), Journal (0000000000000002); pass it";
    assert_refused(offering(&both), offering(&[("Store", 1), ("Clock", 4)]), missing);
}

#[test]
fn the_service_that_differs_is_named_with_its_messages() {
    const OLD: Schema = Schema::new("Journal", 2).with_messages(&[("get", 1), ("put", 2)]);
    const NEW: Schema = Schema::new("Journal", 3).with_messages(&[("get", 9), ("put", 2)]);
    let side = |schema: &Schema| {
        let schemas = vec![Schema::new("Store", 1), schema.clone(), Schema::new("Clock", 4)];
        Identity { services: Services::new(schemas).unwrap(), ..identity(1) }
    };
    let [of_host, of_worker] = handshake(side(&NEW), side(&OLD)).unwrap_err().map(Option::unwrap);
    let text = "the service of this host is Journal (0000000000000003), that of the worker is Journal \
                (0000000000000002), which differ in `get` with another signature; build both";
    assert!(of_host.contains(text), "{of_host}");
    let text = "the service of this worker is Journal (0000000000000002), that of the host is Journal \
                (0000000000000003); build both";
    assert!(of_worker.contains(text), "{of_worker}");

    let differs = "the worker calls the service Journal (0000000000000009) of its host, and the host serves Store \
                   (0000000000000001), Journal (0000000000000002); build both";
    assert_refused(offering(&[("Store", 1), ("Journal", 2)]), offering(&[("Journal", 9)]), differs);
}

#[test]
fn one_service_takes_no_further_key() {
    let host = HostHandshake::new(offering(&[("Progress", 1)]), "t", None);
    let keys = keys(&host.hello());
    assert!(keys.iter().any(|key| key == "host_service"), "{keys:?}");
    assert!(!keys.iter().any(|key| key == "services" || key == "host_services"), "{keys:?}");
}

#[test]
fn the_documented_lines_of_several_services_are_those_that_are_sent() {
    let mut token = None;
    let host = Identity {
        host_services: services(&[("Progress", 3), ("Clock", 4)]),
        features: Features::of_host(true),
        admission: Admission::HOST,
        ..serving(&[("Store", 1), ("Journal", 2)])
    };
    let host =
        HostHandshake::new(Identity { pid: 4711, ..host }, "5fd0c6f1-8a39-4a2e-9c65-4f2a2ac1b1de", None);
    let build = |line: &[u8]| String::from_utf8(line.to_vec()).unwrap();
    assert_eq!(build(&host.hello()), documented("host-services"));
    let worker = Identity {
        host_services: services(&[("Clock", 4)]),
        ..serving(&[("Journal", 2), ("Store", 1), ("Notes", 5)])
    };
    let mut worker = WorkerHandshake::new(Identity { pid: 4712, ..worker }, &mut token, 99);
    worker.input().extend_from_slice(documented("host-services").as_bytes());
    let greeting = worker.handle_input().unwrap().unwrap();
    assert_eq!(build(&greeting.accept().0), documented("worker-services"));
}

/// Replaces a key of the documented worker's line, and returns what the host makes of it.
fn announced(key: &str, value: serde_json::Value) -> Result<Services, String> {
    let mut line: serde_json::Value = serde_json::from_str(&documented("worker")).unwrap();
    line.as_object_mut().unwrap().insert(key.into(), value);
    let mut host = HostHandshake::new(serving(&[]), "t", None);
    host.input().extend_from_slice(format!("{line}\n").as_bytes());
    match host.handle_input() {
        Ok(rest) => {
            assert!(rest.is_some());
            Ok(host.terms().peer_services.clone())
        }
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn a_hostile_list_of_services_is_refused() {
    let list = |names: &[String]| {
        let schemas: Vec<_> =
            names.iter().map(|name| serde_json::json!({"service": name, "fingerprint": 1})).collect();
        announced("services", schemas.into())
    };
    let numbered: Vec<String> = (0..64).map(|number| number.to_string()).collect();
    assert_eq!(list(&numbered[..63]).unwrap().len(), 64);
    assert!(list(&numbered).unwrap_err().contains("there are 65 services, and at most 64"));
    for (names, cause) in [
        (&["Calculator"][..], "two services have the same name: Calculator"),
        (&["A", "A"], "two services have the same name: A"),
        (&[""], "has an empty name"),
        (&["x".repeat(129).leak()], "has 129 bytes, and at most 128"),
        (&["A\u{1b}[2J"], "has a control character"),
    ] {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let error = list(&names).unwrap_err();
        assert!(error.contains("a list of services is invalid") && error.contains(cause), "{error}");
    }
    assert!(announced("services", "A".into()).is_err());
    // What a worker requires is checked by the host, too.
    let twice = serde_json::json!([{"service": "A", "fingerprint": 1}, {"service": "A", "fingerprint": 1}]);
    assert_eq!(announced("host_services", twice).unwrap().len(), 1, "ignored without `host_service`");
}

#[test]
fn further_services_without_a_default_are_ignored() {
    assert!(announced("service", serde_json::Value::Null).unwrap().is_empty());
}

#[test]
fn the_longest_lists_fit_in_a_line() {
    let named = |start: usize| {
        let name = |number: usize| &*format!("{:\"<128}", start + number).leak();
        Services::new((0..64).map(|number| Schema::new(name(number), u64::MAX)).collect()).unwrap()
    };
    let side = || Identity { services: named(0), host_services: named(100), ..identity(1) };
    let host = HostHandshake::new(side(), "t", None);
    assert!(host.hello().len() <= Line::MAX_BYTES, "{}", host.hello().len());
}
