use crate::{Body, Metadata};

/// Successful answer to a [`Request`](crate::Request): its encoded reply and metadata.
#[derive(Clone, Debug, Default)]
pub struct Response(Option<Box<Parts>>);

/// Contents of a response. Boxed, because a response is moved through many functions. An empty
/// response takes no allocation.
#[derive(Clone, Debug)]
struct Parts {
    body: Body,
    metadata: Metadata,
}

static EMPTY: Parts = Parts { body: Body::empty(), metadata: Metadata::new() };

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
        Self(Some(Box::write(Box::new_uninit(), Parts { body, metadata })))
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

    /// Splits the response into body and metadata without copying the payload.
    #[inline]
    pub fn into_parts(self) -> (Body, Metadata) {
        let Parts { body, metadata } = self.0.map_or_else(|| EMPTY.clone(), |parts| *parts);
        (body, metadata)
    }
}
