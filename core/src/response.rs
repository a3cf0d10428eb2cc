use crate::{Body, Metadata};

/// The successful answer to a [`Request`](crate::Request): its encoded reply.
#[derive(Clone, Debug, Default)]
pub struct Response {
    body: Body,
    metadata: Metadata,
}

impl Response {
    /// A response with this encoded reply.
    #[inline]
    pub fn new(body: Body) -> Self {
        Self { body, metadata: Metadata::new() }
    }

    /// A response with this encoded reply and these keys and values.
    #[inline]
    pub fn with_metadata(body: Body, metadata: Metadata) -> Self {
        Self { body, metadata }
    }

    /// The encoded reply.
    #[inline]
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The encoded reply, to be changed.
    #[inline]
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.body
    }

    /// Replaces the encoded reply.
    pub fn set_body(&mut self, body: Body) {
        self.body = body;
    }

    /// The keys and values that travel with the reply.
    #[inline]
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The keys and values that travel with the reply, to be changed.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// Body and metadata, without a copy.
    #[inline]
    pub fn into_parts(self) -> (Body, Metadata) {
        (self.body, self.metadata)
    }
}
