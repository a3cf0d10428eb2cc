//! A worker's `tracing` event, as a line of JSON that the worker writes to an output stream.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Environment variable with the stream that takes events and their maximum level: `stderr:info`.
/// Each start of a worker sets or removes it.
pub(crate) const EVENTS_VARIABLE: &str = "ISOLATED_WORKERS_EVENTS";

/// Maximum length of a line in bytes. A longer line of output is cut, and is no event then.
pub(crate) const MAX_LINE_BYTES: usize = 8 << 10;

/// Length to which text is cut if the line is too long, in bytes. Escaped, it takes up to six times
/// as many.
#[cfg(feature = "events")]
const MAX_TEXT_BYTES: usize = 512;

/// Start of a line that is an event.
const PREFIX: &[u8] = b"{\"iw-event\":";

/// A `tracing` event of a worker.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct WorkerEvent {
    /// `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`.
    pub(crate) level: String,
    pub(crate) target: String,
    /// Fields in their order, `message` included.
    #[serde(default)]
    pub(crate) fields: Fields,
    /// Spans of the worker around the event, without that of the call: `load{file="a"}:parse`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) spans: String,
    /// Span id of the host's call, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
struct EventLine<E> {
    #[serde(rename = "iw-event")]
    event: E,
}

impl WorkerEvent {
    /// Parses a line of output. `None` if it is other text.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        if !line.starts_with(PREFIX) {
            return None;
        }
        serde_json::from_slice::<EventLine<Self>>(line).ok().map(|line| line.event)
    }

    /// Returns the event as a line. If it is too long, cuts its texts, and then leaves out all
    /// fields but the message.
    #[cfg(feature = "events")]
    pub(crate) fn into_line(mut self) -> String {
        let line = self.line();
        if line.len() <= MAX_LINE_BYTES {
            return line;
        }
        let texts = self.fields.0.iter_mut().filter_map(|(_, value)| value.text_mut());
        texts.chain([&mut self.spans]).for_each(cut);
        let line = self.line();
        if line.len() <= MAX_LINE_BYTES {
            return line;
        }
        self.fields.0.retain(|(name, _)| name == "message");
        self.line()
    }

    #[cfg(feature = "events")]
    fn line(&self) -> String {
        serde_json::to_string(&EventLine { event: self }).expect("keys and values are representable") + "\n"
    }
}

#[cfg(feature = "events")]
fn cut(text: &mut String) {
    if text.len() > MAX_TEXT_BYTES {
        let end = (0..=MAX_TEXT_BYTES).rfind(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
}

/// Fields of an event in their order: a JSON object.
#[derive(Debug, Default)]
pub(crate) struct Fields(pub(crate) Vec<(String, FieldValue)>);

/// Value of a field.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum FieldValue {
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    Text(String),
    /// Formatted by the worker. It is shown without quotes.
    Debug {
        debug: String,
    },
}

#[cfg(feature = "events")]
impl FieldValue {
    fn text_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Text(text) | Self::Debug { debug: text } => Some(text),
            _ => None,
        }
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with the fields of an event")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Fields, M::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}
