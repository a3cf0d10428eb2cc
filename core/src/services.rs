use std::fmt;
use std::sync::Arc;

use crate::{Error, ErrorKind, Request, Schema};

/// Services that one side of a connection serves, or requires of its peer. The first one is the
/// default: it gets the requests that name no service.
///
/// Empty if the services are not known. If there are several, each has a name of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Services(Arc<[Schema]>);

impl Services {
    /// Maximum number of services.
    pub const MAX: usize = 64;

    /// Maximum length in bytes of the name of one of several services, which also has no control
    /// characters. The lines of a handshake then stay below their maximum.
    pub const MAX_NAME_BYTES: usize = 128;

    /// Name of the service by which a worker describes itself. No other service may have it.
    pub const RESERVED: &str = "iw";

    /// Creates the list. The first schema is the default.
    ///
    /// # Errors
    /// A name is [reserved](Self::RESERVED). Or there are several schemas, and they are too many, or
    /// a name is empty, too long, not printable or used twice.
    pub fn new(schemas: Vec<Schema>) -> Result<Self, InvalidServices> {
        if schemas.iter().any(|schema| schema.service() == Self::RESERVED) {
            return Err(InvalidServices::Reserved);
        }
        if schemas.len() > Self::MAX {
            return Err(InvalidServices::TooMany(schemas.len()));
        }
        if schemas.len() > 1 {
            for (index, schema) in schemas.iter().enumerate() {
                let name = schema.service();
                if name.is_empty() {
                    return Err(InvalidServices::Nameless);
                }
                if name.len() > Self::MAX_NAME_BYTES {
                    return Err(InvalidServices::LongName(name.len()));
                }
                if name.contains(char::is_control) {
                    return Err(InvalidServices::ControlCharacter);
                }
                if let Some(earlier) = schemas[..index].iter().find(|earlier| earlier.service() == name) {
                    return Err(InvalidServices::SameName(earlier.clone(), schema.clone()));
                }
            }
        }
        Ok(Self(schemas.into()))
    }

    /// Service that gets the requests that name none. `None` if the services are not known.
    pub fn default_service(&self) -> Option<&Schema> {
        self.0.first()
    }

    /// Returns the service of this name.
    pub fn get(&self, name: &str) -> Option<&Schema> {
        self.0.iter().find(|schema| schema.service() == name)
    }

    /// All services, the default first.
    pub fn as_slice(&self) -> &[Schema] {
        &self.0
    }

    /// Number of services.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns `true` if the services are not known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the error of a request for a service that is not one of these.
    #[cold]
    pub fn unknown(&self, request: &Request) -> Error {
        let (name, service) = (request.name(), shortened(request.service().unwrap_or_default()));
        let served = listed(self.0.iter().map(|schema| shortened(schema.service())));
        let text = format!(
            "could not call `{name}` of the service `{service}`: the callee serves {served}; add `{service}` to its \
             `Router`, or build both sides from the same definitions"
        );
        Error::new(ErrorKind::UnknownMessage, text)
    }
}

impl From<Schema> for Services {
    fn from(schema: Schema) -> Self {
        Self([schema].into())
    }
}

/// Lists the services with their fingerprints.
impl fmt::Display for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for schema in self.0.iter().take(MAX_NAMED) {
            write!(f, "{separator}{schema}")?;
            separator = ", ";
        }
        match self.0.len().saturating_sub(MAX_NAMED) {
            0 => Ok(()),
            more => write!(f, "{separator}{more} more"),
        }
    }
}

/// Reason why a list of services is invalid.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidServices {
    /// There are more than [`Services::MAX`]. Holds their number.
    TooMany(usize),
    /// One of several services has an empty name.
    Nameless,
    /// The name of one of several services is longer than [`Services::MAX_NAME_BYTES`]. Holds its
    /// length.
    LongName(usize),
    /// The name of one of several services has a control character.
    ControlCharacter,
    /// Two services have the same name.
    SameName(Schema, Schema),
    /// A service has the name [`Services::RESERVED`].
    Reserved,
}

impl fmt::Display for InvalidServices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany(number) => write!(f, "there are {number} services, and at most {}", Services::MAX),
            Self::Nameless => f.write_str("one of several services has an empty name"),
            Self::LongName(bytes) => {
                write!(f, "the name of a service has {bytes} bytes, and at most {}", Services::MAX_NAME_BYTES)
            }
            Self::ControlCharacter => f.write_str("the name of a service has a control character"),
            Self::SameName(one, other) => write!(f, "two services have the same name: {one} and {other}"),
            Self::Reserved => {
                write!(f, "the name `{}` is reserved for the description of a worker", Services::RESERVED)
            }
        }
    }
}

impl std::error::Error for InvalidServices {}

/// Maximum number of names that an error lists of one kind.
pub(crate) const MAX_NAMED: usize = 5;

/// Returns the names in backticks, with commas between them.
pub(crate) fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(MAX_NAMED);
    let mut text: Vec<String> = names.take(MAX_NAMED).map(|name| format!("`{name}`")).collect();
    if more > 0 {
        text.push(format!("{more} more"));
    }
    text.join(", ")
}

/// Beginning of a name from a peer, for an error.
fn shortened(name: &str) -> &str {
    let mut end = name.len().min(Services::MAX_NAME_BYTES);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    &name[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Body, Name};

    fn named(names: &[&'static str]) -> Result<Services, InvalidServices> {
        Services::new(names.iter().map(|name| Schema::new(name, 1)).collect())
    }

    #[test]
    fn several_services_have_distinct_names() {
        assert_eq!(named(&["A", "B"]).unwrap().default_service(), Some(&Schema::new("A", 1)));
        let same = named(&["A", "B", "A"]).unwrap_err();
        assert_eq!(same, InvalidServices::SameName(Schema::new("A", 1), Schema::new("A", 1)));
        assert_eq!(named(&["A", ""]).unwrap_err(), InvalidServices::Nameless);
        let long: &'static str = "x".repeat(129).leak();
        assert_eq!(named(&["A", long]).unwrap_err(), InvalidServices::LongName(129));
        assert_eq!(named(&["A", "B\n"]).unwrap_err(), InvalidServices::ControlCharacter);
        let many: Vec<&'static str> = (0..65).map(|number| &*number.to_string().leak()).collect();
        assert_eq!(named(&many).unwrap_err(), InvalidServices::TooMany(65));
        assert_eq!(named(&many[..64]).unwrap().len(), 64);
    }

    #[test]
    fn no_service_has_the_reserved_name() {
        assert_eq!(named(&["iw"]).unwrap_err(), InvalidServices::Reserved);
        assert_eq!(named(&["A", "iw"]).unwrap_err(), InvalidServices::Reserved);
    }

    #[test]
    fn one_service_may_have_any_other_name() {
        for name in ["", "x".repeat(1000).leak()] {
            assert_eq!(named(&[name]).unwrap().len(), 1);
        }
    }

    #[test]
    fn an_unknown_service_is_named_with_those_that_are_served() {
        let mut request = Request::new(Name::from_static("get"), Body::empty());
        request.set_service("Journal");
        let error = named(&["A", "B"]).unwrap().unknown(&request);
        let text =
            "could not call `get` of the service `Journal`: the callee serves `A`, `B`; add `Journal` to its";
        assert!(error.to_string().starts_with(text), "{error}");
        request.set_service("é".repeat(1000));
        assert!(named(&["A", "B", "C", "D", "E", "F"]).unwrap().unknown(&request).to_string().len() < 1000);
    }
}
