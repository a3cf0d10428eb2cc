use crate::{Body, Metadata};

/// The successful answer to a [`Request`](crate::Request): its encoded reply.
#[derive(Clone, Debug, Default)]
pub struct Response(Option<Box<Parts>>);

/// Behind a pointer, because a response goes through many hands. An empty one takes no memory.
#[derive(Clone, Debug)]
struct Parts {
    body: Body,
    metadata: Metadata,
}

static EMPTY: Parts = Parts { body: Body::empty(), metadata: Metadata::new() };

impl Response {
    /// A response with this encoded reply.
    #[inline]
    pub fn new(body: Body) -> Self {
        Self::with_metadata(body, Metadata::new())
    }

    /// A response with this encoded reply and these keys and values.
    #[inline]
    pub fn with_metadata(body: Body, metadata: Metadata) -> Self {
        // Written where it stays: what has just been written in parts and is then moved is waited for by the processor.
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

    /// The encoded reply.
    #[inline]
    pub fn body(&self) -> &Body {
        &self.parts().body
    }

    /// The encoded reply, to be changed.
    #[inline]
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.parts_mut().body
    }

    /// Replaces the encoded reply.
    pub fn set_body(&mut self, body: Body) {
        self.parts_mut().body = body;
    }

    /// The keys and values that travel with the reply.
    #[inline]
    pub fn metadata(&self) -> &Metadata {
        &self.parts().metadata
    }

    /// The keys and values that travel with the reply, to be changed.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.parts_mut().metadata
    }

    /// Body and metadata, without a copy.
    #[inline]
    pub fn into_parts(self) -> (Body, Metadata) {
        let Parts { body, metadata } = self.0.map_or_else(|| EMPTY.clone(), |parts| *parts);
        (body, metadata)
    }
}
