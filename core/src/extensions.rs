use std::any::{Any, TypeId};
use std::fmt;
use std::sync::Arc;

/// Typed values attached to a request within one process, at most one of each type. They are not
/// sent to the peer.
///
/// A middleware or a service view uses them to pass values to inner layers. Empty extensions take
/// no allocation. Lookups are linear, so keep the number of values small.
///
/// ```
/// use isolated_workers_core::{Body, Name, Request};
///
/// #[derive(Debug, PartialEq)]
/// struct Tenant(u32);
///
/// let mut request = Request::new(Name::from_static("add"), Body::empty());
/// request.extensions_mut().insert(Tenant(7));
/// assert_eq!(request.extensions().get(), Some(&Tenant(7)));
/// ```
#[derive(Clone, Default)]
pub struct Extensions(Vec<(TypeId, Arc<dyn Any + Send + Sync>)>);

impl Extensions {
    /// Creates empty extensions.
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Inserts a value. Replaces the previous value of the same type.
    pub fn insert<T: Any + Send + Sync>(&mut self, value: T) {
        let key = TypeId::of::<T>();
        self.0.retain(|(other, _)| *other != key);
        self.0.push((key, Arc::new(value)));
    }

    /// Returns the value of this type. `None` if there is none.
    #[inline]
    pub fn get<T: Any>(&self) -> Option<&T> {
        let (_, value) = self.0.iter().find(|(key, _)| *key == TypeId::of::<T>())?;
        value.downcast_ref()
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extensions").field("values", &self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_value_replaces_the_one_of_its_type() {
        let mut extensions = Extensions::default();
        assert_eq!(extensions.get::<u8>(), None);
        extensions.insert(1_u8);
        extensions.insert("text");
        extensions.insert(2_u8);
        assert_eq!((extensions.get(), extensions.get()), (Some(&2_u8), Some(&"text")));
    }
}
