use clap::ValueEnum;
use isolated_workers::codec::{Cbor, Codec, Json, Postcard, decode_body, encode_body};
use isolated_workers::protocol::Body;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::failure::Failure;
use crate::pretty;

/// Codec that a worker may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CodecId {
    Json,
    Cbor,
    Postcard,
}

impl CodecId {
    /// Codec with this name in the handshake.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            Json::ID => Some(Self::Json),
            Cbor::ID => Some(Self::Cbor),
            Postcard::ID => Some(Self::Postcard),
            _ => None,
        }
    }
}

/// Converts between JSON and the bodies of a codec.
pub(crate) trait Transcode: Codec {
    /// Encodes a valid JSON text.
    fn to_body(&self, json: &str) -> Result<Body, Failure>;

    /// Decodes a body to a JSON text. `None` if the body is empty.
    fn to_json(&self, body: &Body) -> Result<Option<String>, Failure>;
}

impl Transcode for Json {
    fn to_body(&self, json: &str) -> Result<Body, Failure> {
        // A frame is a line.
        Ok(pretty::on_one_line(json).into_bytes().into())
    }

    fn to_json(&self, body: &Body) -> Result<Option<String>, Failure> {
        if body.is_empty() {
            return Ok(None);
        }
        let value: &RawValue = serde_json::from_slice(body.as_bytes()).map_err(|error| no_json(&error))?;
        Ok(Some(value.get().to_owned()))
    }
}

impl Transcode for Cbor {
    fn to_body(&self, json: &str) -> Result<Body, Failure> {
        let value: Value = serde_json::from_str(json).map_err(|error| no_json(&error))?;
        encode_body(self, &value)
            .map_err(|error| Failure::Value(format!("could not encode the value as cbor: {error}")))
    }

    fn to_json(&self, body: &Body) -> Result<Option<String>, Failure> {
        if body.is_empty() {
            return Ok(None);
        }
        let value: Value = decode_body(self, body).map_err(|error| no_json(&error))?;
        Ok(Some(value.to_string()))
    }
}

impl Transcode for Postcard {
    fn to_body(&self, _: &str) -> Result<Body, Failure> {
        Err(not_self_describing())
    }

    fn to_json(&self, _: &Body) -> Result<Option<String>, Failure> {
        Err(not_self_describing())
    }
}

fn no_json(error: &dyn std::fmt::Display) -> Failure {
    Failure::Value(format!("could not convert the value to JSON: {error}"))
}

fn not_self_describing() -> Failure {
    Failure::Value(
        "could not convert a value between JSON and postcard: postcard does not say what its bytes mean; serve the \
         worker with the codec json or cbor"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_survives_each_codec_that_describes_itself() {
        let json = r#"{"a":[1,-2.5,"x",null,true],"b":{}}"#;
        for body in [Json.to_body(json).unwrap(), Cbor.to_body(json).unwrap()] {
            assert!(!body.is_empty());
        }
        assert_eq!(Json.to_json(&Json.to_body(json).unwrap()).unwrap().as_deref(), Some(json));
        assert_eq!(Cbor.to_json(&Cbor.to_body(json).unwrap()).unwrap().as_deref(), Some(json));
        assert_eq!(Json.to_json(&Body::empty()).unwrap(), None);
        assert!(matches!(Postcard.to_body(json), Err(Failure::Value(_))));
    }
}
