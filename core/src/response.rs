use std::sync::{Mutex, PoisonError};

use crate::{Body, Error, ErrorKind, Executed, Items, Metadata};

/// Successful answer to a [`Request`](crate::Request): its encoded reply and metadata, or the items
/// that a callee streams.
///
/// A response with [items](Self::take_items) is the beginning of an answer: the call lasts until
/// its last item. The items of a clone are an error, because a stream cannot be copied.
#[derive(Clone, Debug, Default)]
pub struct Response(Option<Box<Parts>>);

/// Contents of a response. Boxed, because a response is moved through many functions. An empty
/// response takes no allocation.
#[derive(Debug)]
struct Parts {
    body: Body,
    metadata: Metadata,
    /// Boxed, because most responses have none.
    items: Option<Box<Mutex<Items>>>,
}

static EMPTY: Parts = Parts { body: Body::empty(), metadata: Metadata::new(), items: None };

impl Clone for Parts {
    fn clone(&self) -> Self {
        // Without items, a clone would look like a stream that has ended.
        let items = self.items.as_ref().map(|_| Box::new(Mutex::new(Items::failed(cloned_items()))));
        Self { body: self.body.clone(), metadata: self.metadata.clone(), items }
    }
}

#[cold]
fn cloned_items() -> Error {
    let text = "could not stream the items of a response: it is a clone, and a stream cannot be copied; return \
                the response itself";
    Error::new(ErrorKind::Middleware, text).with_executed(Executed::Yes)
}

impl Response {
    /// Creates a response with this encoded reply.
    #[inline]
    pub fn new(body: Body) -> Self {
        Self::with_metadata(body, Metadata::new())
    }

    /// Creates a response with this encoded reply and metadata.
    #[inline]
    pub fn with_metadata(body: Body, metadata: Metadata) -> Self {
        // Written in place: the processor stalls on a move of values that were written just before.
        Self(Some(Box::write(Box::new_uninit(), Parts { body, metadata, items: None })))
    }

    #[inline]
    fn parts(&self) -> &Parts {
        self.0.as_deref().unwrap_or(&EMPTY)
    }

    #[inline]
    fn parts_mut(&mut self) -> &mut Parts {
        self.0.get_or_insert_with(|| Box::new(EMPTY.clone()))
    }

    /// Encoded reply.
    #[inline]
    pub fn body(&self) -> &Body {
        &self.parts().body
    }

    /// Encoded reply, mutable.
    #[inline]
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.parts_mut().body
    }

    /// Replaces the encoded reply.
    pub fn set_body(&mut self, body: Body) {
        self.parts_mut().body = body;
    }

    /// Keys and values sent with the reply.
    #[inline]
    pub fn metadata(&self) -> &Metadata {
        &self.parts().metadata
    }

    /// Keys and values sent with the reply, mutable.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.parts_mut().metadata
    }

    /// Creates a response that streams `items`. The reply and its metadata are empty.
    pub fn with_items(items: Items) -> Self {
        let mut response = Self::default();
        response.parts_mut().items = Some(Box::new(Mutex::new(items)));
        response
    }

    /// Takes the items. `None` if the callee has answered without items.
    pub fn take_items(&mut self) -> Option<Items> {
        let items = self.0.as_mut()?.items.take()?;
        Some(items.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns `true` if the response streams items.
    #[inline]
    pub fn has_items(&self) -> bool {
        self.parts().items.is_some()
    }

    /// Keeps `guard` until the call has ended: until the last item was taken or the items are
    /// dropped. Drops it now if there are no items.
    pub fn hold(&mut self, guard: impl Send + 'static) {
        self.change_items(|items| items.hold(guard));
    }

    /// Changes each item, or the error at the end, with `change`.
    pub fn map_items(
        &mut self,
        change: impl FnMut(Result<Body, Error>) -> Result<Body, Error> + Send + 'static,
    ) {
        self.change_items(|items| items.map(change));
    }

    /// Replaces the items, if there are some.
    pub fn change_items(&mut self, change: impl FnOnce(Items) -> Items) {
        if let Some(items) = self.take_items() {
            self.parts_mut().items = Some(Box::new(Mutex::new(change(items))));
        }
    }

    /// Splits the response into body and metadata without copying the payload. Drops the items,
    /// which cancels the call: [`take`](Self::take_items) them before.
    #[inline]
    pub fn into_parts(self) -> (Body, Metadata) {
        let Parts { body, metadata, .. } = self.0.map_or_else(|| EMPTY.clone(), |parts| *parts);
        (body, metadata)
    }
}
