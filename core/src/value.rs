use serde::de::DeserializeOwned;
use serde::{Deserializer, Serialize, Serializer};

/// Value in a closure that returns it.
///
/// Code that is generic over values moves them to another thread in this form, because their types
/// are not known to be `Send` there.
pub type Sendable<T> = Box<dyn FnOnce() -> T + Send>;

/// Argument or reply of a call: a value that can be sent to another process.
///
/// Implemented for every type that implements serde's `Serialize` and `Deserialize`, owns its data
/// and is `Send`. Code that is generic over such values encodes them with the methods of this
/// trait.
// With serde's traits or `Send` as supertraits, the compiler would report each of them that a type
// lacks, in all their places.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent to another process",
    label = "needs `Serialize`, `Deserialize` and `Send`, and must own its data",
    note = "add `#[derive(serde::Serialize, serde::Deserialize)]` to a type of your own; other crates often have a feature `serde`",
    note = "a channel, lock or handle works only in its own process: send the data itself instead, and reply with the result"
)]
pub trait Value: Sized + 'static {
    /// Encodes the value with serde.
    ///
    /// # Errors
    /// The errors of the type and of the serializer.
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    /// Decodes a value with serde.
    ///
    /// # Errors
    /// The errors of the type and of the deserializer.
    fn decode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;

    /// Converts the value to a form that can be moved to another thread.
    fn into_sendable(self) -> Sendable<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + 'static> Value for T {
    #[inline]
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }

    #[inline]
    fn decode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
    }

    fn into_sendable(self) -> Sendable<Self> {
        Box::new(|| self)
    }
}
