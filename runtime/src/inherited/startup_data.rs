//! What a host in Node.js tells its worker: where to listen. A host here tells it to a worker there.

use std::time::Duration;

use isolated_workers_core::{Error, ErrorKind};
use isolated_workers_transport::{Transport, WorkerSocket};
use serde::{Deserialize, Serialize};

use crate::inherited::{Elsewhere, Told};

/// The variable of the environment.
pub(super) const VARIABLE: &str = "ISOLATED_WORKERS_STARTUP_DATA";

/// Id of the codec `Json` in a host in Node.js.
const NODE_JSON: &str = "JsonSerializer";

/// Id of the codec `Json` here, which is not compiled without its feature.
const JSON: &str = "json";

/// How long a worker waits for its host to connect, in milliseconds. A host here connects as soon as the worker listens;
/// one that has not done so by then is dead.
const CONNECT_TIMEOUT: f64 = 10_000.0;

/// Its value, in JSON. Keys that are not listed here are passed over.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StartupData {
    driver: String,
    socket_path: String,
    #[serde(default)]
    serializer: Option<String>,
    /// In milliseconds; zero is no limit.
    #[serde(default)]
    server_connect_timeout: Option<f64>,
    /// Whether the host says first what it is. Hosts there do not, and have no such key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    handshake: bool,
    /// The path with what is to be removed with it, which workers in Rust are told besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

/// The value for a worker that is to listen at `address`.
pub(super) fn written(address: &str, codec: &str, handshake: bool) -> String {
    let path = WorkerSocket::path_of(address);
    let data = StartupData {
        driver: "child_process".to_owned(),
        socket_path: path.to_owned(),
        serializer: Some(if codec == JSON { NODE_JSON } else { codec }.to_owned()),
        server_connect_timeout: Some(CONNECT_TIMEOUT),
        handshake,
        address: (address != path).then(|| address.to_owned()),
    };
    serde_json::to_string(&data).expect("startup data is made of strings and a number")
}

/// What a host has written.
///
/// # Errors
/// `Startup` where it is not such a value.
pub(super) fn read(value: &str) -> Result<Told, Error> {
    let data: StartupData = serde_json::from_str(value).map_err(|error| {
        let text = format!(
            "could not find the host of this worker: {VARIABLE} is {value:?}, which is none of its values"
        );
        Error::with_source(ErrorKind::Startup, text, error)
    })?;
    let limit = data.server_connect_timeout.and_then(|ms| Duration::try_from_secs_f64(ms / 1e3).ok());
    let codec = data.serializer.map(|name| if name == NODE_JSON { JSON.to_owned() } else { name });
    let elsewhere =
        Elsewhere { codec, connect_timeout: limit.unwrap_or_default(), handshake: data.handshake };
    Ok(Told {
        transport: WorkerSocket::NAME.to_owned(),
        address: data.address.unwrap_or(data.socket_path),
        elsewhere: Some(elsewhere),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_a_host_there_writes() {
        let value = written("/tmp/w/worker.sock", "json", false);
        let expected = serde_json::json!({
            "driver": "child_process",
            "socketPath": "/tmp/w/worker.sock",
            "serializer": "JsonSerializer",
            "serverConnectTimeout": 10000.0,
        });
        assert_eq!(serde_json::from_str::<serde_json::Value>(&value).unwrap(), expected);
    }

    #[test]
    fn what_a_host_there_writes_is_read() {
        let value = r#"{"driver":"child_process","socketPath":"/tmp/w/worker.sock","serializer":"JsonSerializer",
            "serverConnectTimeout":30000,"more":1}"#;
        let told = read(value).unwrap();
        assert_eq!((told.transport.as_str(), told.address.as_str()), ("worker-socket", "/tmp/w/worker.sock"));
        let elsewhere = told.elsewhere.unwrap();
        assert_eq!(elsewhere.codec.as_deref(), Some("json"));
        assert_eq!(elsewhere.connect_timeout, Duration::from_secs(30));
        assert!(!elsewhere.handshake);
    }

    #[test]
    fn a_host_here_tells_whether_it_has_a_handshake() {
        let told = read(&written("/s", "postcard", true)).unwrap();
        let elsewhere = told.elsewhere.unwrap();
        assert_eq!((elsewhere.codec.as_deref(), elsewhere.handshake), (Some("postcard"), true));
        let value = written("folder:/w/s", "json", true);
        assert_eq!(read(&value).unwrap().address, "folder:/w/s");
        assert!(value.contains(r#""socketPath":"/w/s""#), "{value}");
    }

    #[test]
    fn limits_that_make_no_sense_are_none() {
        for limit in ["0", "-1", "1e300"] {
            let value =
                format!(r#"{{"driver":"child_process","socketPath":"/s","serverConnectTimeout":{limit}}}"#);
            assert_eq!(read(&value).unwrap().elsewhere.unwrap().connect_timeout, Duration::ZERO);
        }
    }

    #[test]
    fn what_is_no_such_value_is_named() {
        let error = format!("{:#}", read(r#"{"driver":"child_process"}"#).err().unwrap());
        assert!(error.contains(VARIABLE) && error.contains("socketPath"), "{error}");
    }
}
