//! Names on the server: one subject for each service, fingerprint, codec and method.
//!
//! | subject | subscribers |
//! |---|---|
//! | `iw.<fleet>.<service>.<fingerprint>.<codec>.call.<method>` | machines with room, as a queue group |
//! | `iw.<fleet>.<service>.<fingerprint>.<codec>.any.<method>` | all machines, as a queue group |
//! | `iw.<fleet>.<service>.<fingerprint>.<codec>.at.<machine>.<method>` | one machine |
//! | `iw.<fleet>.<service>.<fingerprint>.<codec>.who` | all machines |
//! | `iw.<fleet>.control.<machine>` | one machine: cancellation |

use std::borrow::Cow;
use std::fmt::Write;

use isolated_workers::protocol::Schema;

/// Queue group of the machines of a fleet. The subject separates fleets.
pub(crate) const QUEUE_GROUP: &str = "iw";

/// Subjects of one service of a fleet.
#[derive(Clone, Debug)]
pub(crate) struct Subjects(String);

impl Subjects {
    pub(crate) fn new(fleet: &str, schema: &Schema, codec: &str) -> Self {
        let (fleet, service, codec) = (escape(fleet), escape(schema.service()), escape(codec));
        Self(format!("iw.{fleet}.{service}.{:016x}.{codec}", schema.fingerprint()))
    }

    /// Subject of a call that any machine with room takes. `method` is an [escaped](escape) name,
    /// or [`ALL`].
    pub(crate) fn call(&self, method: &str) -> String {
        format!("{}.call.{method}", self.0)
    }

    /// Subject of a call that any machine takes or refuses.
    pub(crate) fn any(&self, method: &str) -> String {
        format!("{}.any.{method}", self.0)
    }

    /// Subject of a call for one machine.
    pub(crate) fn at(&self, machine: &str, method: &str) -> String {
        format!("{}.at.{}.{method}", self.0, escape(machine))
    }

    /// Subject that asks which machines serve the service.
    pub(crate) fn who(&self) -> String {
        format!("{}.who", self.0)
    }
}

/// Subject on which a machine takes cancellations.
pub(crate) fn control(fleet: &str, machine: &str) -> String {
    format!("iw.{}.control.{}", escape(fleet), escape(machine))
}

/// Wildcard for the names of all methods.
pub(crate) const ALL: &str = "*";

/// Escapes a name as one token of a subject: all but ASCII letters, digits, `-` and `_` become `%`
/// and two hexadecimal digits. The empty name is `%`.
pub(crate) fn escape(name: &str) -> Cow<'_, str> {
    if name.is_empty() {
        return Cow::Borrowed("%");
    }
    if name.bytes().all(is_plain) {
        return Cow::Borrowed(name);
    }
    let mut escaped = String::with_capacity(name.len() + 8);
    for byte in name.bytes() {
        if is_plain(byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    Cow::Owned(escaped)
}

/// Reverses [`escape`]. `None` if `token` is not an escaped name.
pub(crate) fn unescape(token: &str) -> Option<Cow<'_, str>> {
    if token == "%" {
        return Some(Cow::Borrowed(""));
    }
    if !token.contains('%') {
        return Some(Cow::Borrowed(token));
    }
    let mut bytes = Vec::with_capacity(token.len());
    let mut rest = token.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first == b'%' {
            let [high, low, after @ ..] = rest else { return None };
            let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            bytes.push(digit(*high)? * 16 + digit(*low)?);
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_one_token_and_comes_back() {
        for name in ["", "scale", "a.b", "a b", "*", ">", "%", "é\n", "$SRV", "x-y_z", "100%2"] {
            let token = escape(name).into_owned();
            assert!(!token.is_empty() && token.bytes().all(|byte| is_plain(byte) || byte == b'%'), "{token}");
            assert_eq!(unescape(&token).as_deref(), Some(name));
        }
    }

    #[test]
    fn a_token_that_is_no_escaped_name_is_refused() {
        for token in ["%2", "%zz", "%FF", "a%"] {
            assert_eq!(unescape(token), None, "{token}");
        }
    }

    #[test]
    fn subjects_name_fleet_service_fingerprint_codec_and_method() {
        let subjects = Subjects::new("my fleet", &Schema::new("Indexer", 0xab), "json");
        assert_eq!(subjects.call("add"), "iw.my%20fleet.Indexer.00000000000000ab.json.call.add");
        assert_eq!(subjects.at("m.1", ALL), "iw.my%20fleet.Indexer.00000000000000ab.json.at.m%2E1.*");
        assert_eq!(control("f", "m"), "iw.f.control.m");
    }
}
