//! Startup variable of the Node.js library, which contains the address where a worker listens.
//!
//! A host of either library can start a worker of the other.

use std::time::Duration;

use isolated_workers_core::{Error, ErrorKind};
use isolated_workers_transport::{Transport, WorkerSocket};
use serde::{Deserialize, Serialize};

use crate::launch::{HostInfo, NodeSettings};

/// Name of the environment variable.
pub(super) const VARIABLE: &str = "ISOLATED_WORKERS_STARTUP_DATA";

/// Id of the codec `Json` in the Node.js library.
const NODE_JSON: &str = "JsonSerializer";

/// Id of the codec `Json` in this library. The codec itself may not be compiled in.
const JSON: &str = "json";

/// Time in milliseconds after which a worker stops waiting for its host to connect. A host connects
/// as soon as the worker listens, so a host that takes longer is dead.
const CONNECT_TIMEOUT_MS: f64 = 10_000.0;

/// Value of the variable, in JSON. Unknown keys are ignored.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NodeStartupData {
    driver: String,
    socket_path: String,
    #[serde(default)]
    serializer: Option<String>,
    /// Timeout in milliseconds. Zero means no limit.
    #[serde(default)]
    server_connect_timeout: Option<f64>,
    /// `true` if the host starts with a handshake. Hosts of the Node.js library do not, and omit
    /// the key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    handshake: bool,
    /// Full address for workers of this library: the path, and the folder to remove with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

/// Returns the value for a worker that listens at `address`.
pub(super) fn write(address: &str, codec: &str, handshake: bool) -> String {
    let path = WorkerSocket::path_of(address);
    let data = NodeStartupData {
        driver: "child_process".to_owned(),
        socket_path: path.to_owned(),
        serializer: Some(if codec == JSON { NODE_JSON } else { codec }.to_owned()),
        server_connect_timeout: Some(CONNECT_TIMEOUT_MS),
        handshake,
        address: (address != path).then(|| address.to_owned()),
    };
    serde_json::to_string(&data).expect("startup data is made of strings and a number")
}

/// Parses the value of the variable.
///
/// # Errors
/// `Startup` if the value is invalid.
pub(super) fn read(value: &str) -> Result<HostInfo, Error> {
    let data: NodeStartupData = serde_json::from_str(value).map_err(|error| {
        let text =
            format!("could not find the host of this worker: {VARIABLE} has the invalid value {value:?}");
        Error::with_source(ErrorKind::Startup, text, error)
    })?;
    let limit = data.server_connect_timeout.and_then(|ms| Duration::try_from_secs_f64(ms / 1e3).ok());
    let codec = data.serializer.map(|name| if name == NODE_JSON { JSON.to_owned() } else { name });
    let node = NodeSettings { codec, connect_timeout: limit.unwrap_or_default(), handshake: data.handshake };
    Ok(HostInfo {
        transport: WorkerSocket::NAME.to_owned(),
        address: data.address.unwrap_or(data.socket_path),
        node: Some(node),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_has_the_keys_of_the_node_library() {
        let value = write("/tmp/w/worker.sock", "json", false);
        let expected = serde_json::json!({
            "driver": "child_process",
            "socketPath": "/tmp/w/worker.sock",
            "serializer": "JsonSerializer",
            "serverConnectTimeout": 10000.0,
        });
        assert_eq!(serde_json::from_str::<serde_json::Value>(&value).unwrap(), expected);
    }

    #[test]
    fn a_value_of_the_node_library_is_read() {
        let value = r#"{"driver":"child_process","socketPath":"/tmp/w/worker.sock","serializer":"JsonSerializer",
            "serverConnectTimeout":30000,"more":1}"#;
        let host = read(value).unwrap();
        assert_eq!((host.transport.as_str(), host.address.as_str()), ("worker-socket", "/tmp/w/worker.sock"));
        let node = host.node.unwrap();
        assert_eq!(node.codec.as_deref(), Some("json"));
        assert_eq!(node.connect_timeout, Duration::from_secs(30));
        assert!(!node.handshake);
    }

    #[test]
    fn the_handshake_and_the_full_address_survive_a_round_trip() {
        let host = read(&write("/s", "postcard", true)).unwrap();
        let node = host.node.unwrap();
        assert_eq!((node.codec.as_deref(), node.handshake), (Some("postcard"), true));
        let value = write("folder:/w/s", "json", true);
        assert_eq!(read(&value).unwrap().address, "folder:/w/s");
        assert!(value.contains(r#""socketPath":"/w/s""#), "{value}");
    }

    #[test]
    fn an_invalid_timeout_is_no_limit() {
        for limit in ["0", "-1", "1e300"] {
            let value =
                format!(r#"{{"driver":"child_process","socketPath":"/s","serverConnectTimeout":{limit}}}"#);
            assert_eq!(read(&value).unwrap().node.unwrap().connect_timeout, Duration::ZERO);
        }
    }

    #[test]
    fn an_invalid_value_is_an_error_that_names_the_variable() {
        let error = format!("{:#}", read(r#"{"driver":"child_process"}"#).err().unwrap());
        assert!(error.contains(VARIABLE) && error.contains("socketPath"), "{error}");
    }
}
