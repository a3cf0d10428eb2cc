use std::fmt;

use bytes::BytesMut;
use isolated_workers_codec::{Cbor, Codec, CodecError, Json, Postcard, decode_within};
use isolated_workers_core::{Budget, Error, ErrorKind, Message};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Finds values of a service that a codec cannot represent, before they fail in a worker.
///
/// Types compile with every codec, but some serde attributes do not work with all of them.
/// `skip_serializing_if`, `flatten`, `untagged` and `tag` may fail with [`Postcard`], or return
/// another value. NaN and `Some(None)` may do so with [`Json`].
///
/// Pass a sample of every message, reply and error: each variant, and each field both present and
/// absent. All samples are encoded and decoded with `Json`, `Cbor` and `Postcard` within the
/// default limits, and the results are compared.
///
/// Use `#[service(derive(PartialEq))]` to make the messages of a `#[service]` comparable.
///
/// ```
/// use isolated_workers_core::{Message, Never};
/// use isolated_workers_runtime::testing::RoundTrip;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(PartialEq, Serialize, Deserialize)]
/// struct Find {
///     name: String,
///     #[serde(skip_serializing_if = "Option::is_none")]
///     limit: Option<u32>,
/// }
///
/// impl Message for Find {
///     const NAME: &'static str = "find";
///     type Reply = Vec<String>;
///     type Error = Never;
/// }
///
/// let find = Find { name: "Ada".into(), limit: None };
/// let round_trip = RoundTrip::new().message(&find).reply::<Find>(&vec!["Ada".into()]);
/// let error = round_trip.check().unwrap_err().to_string();
/// assert!(error.contains("the message `find` does not survive postcard: "), "{error}");
///
/// // For a service that is never used with Postcard.
/// RoundTrip::new().without("postcard").message(&find).check()?;
/// # Ok::<(), isolated_workers_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RoundTrip {
    codecs: Vec<&'static str>,
    losses: Vec<Loss>,
}

/// Value that a codec cannot represent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loss {
    /// Id of the codec, such as `postcard`.
    pub codec: &'static str,
    /// The value, such as ``the message `find` ``.
    pub what: String,
    /// Failure or changed value, and its likely cause.
    pub why: String,
}

impl RoundTrip {
    /// Uses every built-in codec.
    pub fn new() -> Self {
        Self { codecs: vec![Json::ID, Cbor::ID, Postcard::ID], losses: Vec::new() }
    }

    /// Skips the codec with this id for all later values.
    #[must_use]
    pub fn without(mut self, codec: &str) -> Self {
        self.codecs.retain(|name| *name != codec);
        self
    }

    /// Checks a message.
    #[must_use]
    pub fn message<M: Message + PartialEq>(self, message: &M) -> Self {
        self.value(&format!("the message `{}`", M::NAME), message)
    }

    /// Checks a reply to `M`.
    #[must_use]
    pub fn reply<M: Message>(self, reply: &M::Reply) -> Self
    where
        M::Reply: Serialize + DeserializeOwned + PartialEq,
    {
        self.value(&format!("a reply to `{}`", M::NAME), reply)
    }

    /// Checks an error of `M`.
    #[must_use]
    pub fn error<M: Message>(self, error: &M::Error) -> Self
    where
        M::Error: Serialize + DeserializeOwned + PartialEq,
    {
        self.value(&format!("an error of `{}`", M::NAME), error)
    }

    /// Checks any value. `what` is its name in the report.
    #[must_use]
    pub fn value<T: Serialize + DeserializeOwned + PartialEq>(self, what: &str, value: &T) -> Self {
        self.value_through(&Json, what, value)
            .value_through(&Cbor, what, value)
            .value_through(&Postcard, what, value)
    }

    /// Returns the values that did not survive, in the order of their checks.
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }

    /// Checks that every value survived every codec.
    ///
    /// # Errors
    /// `Config`, with one line for each [`Loss`].
    pub fn check(&self) -> Result<(), Error> {
        if self.losses.is_empty() {
            return Ok(());
        }
        let lines: String = self.losses.iter().map(|loss| format!("\n  {loss}")).collect();
        let text = format!("{} values of the service do not survive every codec:{lines}", self.losses.len());
        Err(Error::new(ErrorKind::Config, text))
    }

    fn value_through<C: Codec, T>(mut self, codec: &C, what: &str, value: &T) -> Self
    where
        T: Serialize + DeserializeOwned + PartialEq,
    {
        if self.codecs.contains(&C::ID)
            && let Err(why) = there_and_back(codec, value)
        {
            self.losses.push(Loss { codec: C::ID, what: what.to_owned(), why });
        }
        self
    }
}

impl Default for RoundTrip {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { codec, what, why } = self;
        write!(f, "{what} does not survive {codec}: {why}")
    }
}

/// Encodes and decodes a value. Returns a description of the failure, if there is one, and advice
/// that fits it.
#[expect(clippy::eq_op, reason = "NaN is not equal to itself")]
fn there_and_back<C: Codec, T>(codec: &C, value: &T) -> Result<(), String>
where
    T: Serialize + DeserializeOwned + PartialEq,
{
    let explained = |what: &str, error: CodecError, advice: &str| match error.has_advice() {
        true => format!("{what}: {error}"),
        false => format!("{what}: {error}; {advice}"),
    };
    let mut bytes = BytesMut::new();
    codec
        .encode(value, &mut bytes)
        .map_err(|error| explained("it cannot be encoded", error, "change its type, or use another codec"))?;
    let back: T = decode_within(codec, &bytes, Budget::default()).map_err(|error| {
        let is_null = error.to_string().contains("null");
        explained("it can be encoded and not decoded", error, undecodable_advice(C::ID, is_null))
    })?;
    if back == *value {
        Ok(())
    } else if value != value {
        Err("it is not equal to itself, as NaN is not; leave it out of the sample, or compare it by its bits"
            .to_owned())
    } else {
        Err(format!("it comes back as another value; {}", changed_advice(C::ID)))
    }
}

/// Advice for a value that was encoded and cannot be decoded. `is_null`: the reason is a `null`.
fn undecodable_advice(codec: &str, is_null: bool) -> &'static str {
    match codec {
        Postcard::ID => {
            "look for `skip_serializing_if`, `flatten`, `untagged` and `tag` of serde in its type, and drop them or use \
             `Json` or `Cbor`"
        }
        Json::ID if is_null => "look for NaN and infinities in it, which are `null` in JSON",
        _ => {
            "look for attributes of serde in its type that differ between encoding and decoding, and for keys of maps \
             and 128-bit integers within `flatten`, `untagged` and `tag`"
        }
    }
}

/// Advice for a value that comes back as another.
fn changed_advice(codec: &str) -> &'static str {
    match codec {
        Postcard::ID => {
            "look for `skip_serializing_if`, `skip`, `flatten`, `untagged` and `tag` of serde in its type, and drop \
             them or use `Json` or `Cbor`"
        }
        Json::ID => {
            "look for `Some(None)`, `Some(())` and optional NaN in it, which are the same as `None` in JSON, and for \
             `skip` and `untagged` of serde in its type"
        }
        _ => {
            "look for `Some(None)` and `Some(())` in it, which are the same as `None` in CBOR, and for `skip` and \
             `untagged` of serde in its type"
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(PartialEq, Serialize, Deserialize)]
    struct SkippedField {
        #[serde(skip_serializing_if = "Option::is_none")]
        first: Option<u8>,
        second: u8,
    }

    #[derive(PartialEq, Serialize, Deserialize)]
    struct Flattened {
        #[serde(flatten)]
        rest: BTreeMap<String, u8>,
    }

    #[derive(PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Number(u8),
        Text(String),
    }

    #[derive(PartialEq, Serialize, Deserialize)]
    #[serde(tag = "kind")]
    enum Tagged {
        Circle { radius: u8 },
    }

    fn lost<T: Serialize + DeserializeOwned + PartialEq>(value: &T) -> Vec<&'static str> {
        RoundTrip::new().value("a value", value).losses().iter().map(|loss| loss.codec).collect()
    }

    #[test]
    fn postcard_loses_types_that_are_not_self_describing() {
        assert_eq!(lost(&SkippedField { first: None, second: 0 }), ["postcard"]);
        assert_eq!(lost(&SkippedField { first: None, second: 1 }), ["postcard"]);
        assert_eq!(lost(&Flattened { rest: [("a".to_owned(), 1)].into() }), ["postcard"]);
        assert_eq!(lost(&Untagged::Number(1)), ["postcard"]);
        assert_eq!(lost(&Untagged::Text("one".into())), ["postcard"]);
        assert_eq!(lost(&Tagged::Circle { radius: 1 }), ["postcard"]);
        assert!(lost(&SkippedField { first: Some(1), second: 1 }).is_empty());
        assert!(lost(&(1u8, "text".to_owned(), vec![Some(0.5)], i128::MIN)).is_empty());
    }

    #[test]
    fn json_and_cbor_lose_nested_options() {
        assert_eq!(lost(&Some(None::<u8>)), ["json", "cbor"]);
        assert_eq!(lost(&f64::INFINITY), ["json"]);
        assert_eq!(lost(&BTreeMap::from([((1, 2), 3)])), ["json"]);
    }

    #[test]
    fn the_report_names_each_value_and_codec() {
        let round_trip = RoundTrip::new()
            .value("a flat map", &Flattened { rest: BTreeMap::new() })
            .value("∞", &f64::INFINITY);
        let text = round_trip.check().unwrap_err().to_string();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert_eq!(lines[0], "2 values of the service do not survive every codec:");
        assert!(lines[1].contains("a flat map does not survive postcard: it cannot be encoded: "), "{text}");
        assert!(lines[1].ends_with("use `Json` or `Cbor` for `flatten` of serde"), "{text}");
        assert!(lines[2].contains("∞ does not survive json: it can be encoded and not decoded: "), "{text}");
        assert!(RoundTrip::new().value("text", &"text".to_owned()).check().is_ok());
        assert!(RoundTrip::new().without("json").value("∞", &f64::INFINITY).check().is_ok());
    }
    #[track_caller]
    fn advised<T: Serialize + DeserializeOwned + PartialEq>(
        codec: &str,
        value: &T,
        cause: &str,
        advice: &str,
    ) {
        let round_trip = RoundTrip::new().value("a value", value);
        let why = &round_trip.losses().iter().find(|loss| loss.codec == codec).unwrap().why;
        assert!(why.contains(cause), "{why}");
        let (_, given) = why.rsplit_once("; ").unwrap();
        assert!(given.contains(advice), "{why}");
    }

    #[test]
    fn the_advice_fits_the_cause() {
        #[derive(PartialEq, Serialize, Deserialize)]
        struct Renamed {
            #[serde(rename(serialize = "there"))]
            here: u8,
        }
        #[derive(PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        enum Wide {
            Number { number: i128 },
        }
        #[derive(PartialEq, Deserialize)]
        struct Refusing;
        impl Serialize for Refusing {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                Err(serde::ser::Error::custom("it is locked"))
            }
        }
        advised("json", &f64::INFINITY, "null", "NaN and infinities");
        advised("json", &Some(None::<u8>), "another value", "`Some(None)`");
        advised("json", &BTreeMap::from([((1, 2), 3)]), "key must be a string", "use another codec");
        advised(
            "json",
            &Renamed { here: 1 },
            "missing field `here`",
            "that differ between encoding and decoding",
        );
        advised(
            "cbor",
            &Renamed { here: 1 },
            "missing field `here`",
            "that differ between encoding and decoding",
        );
        for codec in ["json", "cbor"] {
            advised(
                codec,
                &Wide::Number { number: 1 },
                "i128 is not supported",
                "use a smaller type or a text",
            );
        }
        for codec in ["json", "cbor", "postcard"] {
            let cause = if codec == "json" { "null" } else { "not equal to itself" };
            advised(codec, &f64::NAN, cause, if codec == "json" { "NaN" } else { "leave it out" });
        }
        advised("postcard", &SkippedField { first: None, second: 0 }, "", "`skip_serializing_if`");
        advised("postcard", &Tagged::Circle { radius: 1 }, "does not store", "use `Json` or `Cbor`");
        let refusing = Refusing;
        for codec in ["json", "cbor", "postcard"] {
            advised(codec, &refusing, "it is locked", "change its type");
        }
    }
}
