use std::pin::Pin;

use futures_util::{Stream, StreamExt};
use isolated_workers::protocol::{Items, Response};

use crate::failure::Failure;
use crate::transcode::Transcode;

/// Items of a reply, as JSON.
pub(crate) type JsonItems = Pin<Box<dyn Stream<Item = Result<String, Failure>> + Send>>;

/// Answer to a call.
pub(crate) enum Answer {
    /// A reply as JSON. `None` if it has no value, which some codecs write as `null`.
    Reply(Option<String>),
    /// Items, and the error that ends them, if any.
    Items(JsonItems),
}

impl Answer {
    /// Converts a response.
    pub(crate) fn new<C: Transcode>(codec: &C, mut response: Response) -> Result<Self, Failure> {
        match response.take_items() {
            Some(items) => Ok(Self::Items(to_json(codec.clone(), items))),
            None => Ok(Self::Reply(codec.to_json(response.body())?.filter(|json| json != "null"))),
        }
    }

    /// Waits for all items, and returns one JSON value: the reply, or an array of the items.
    pub(crate) async fn collected(self) -> Result<String, Failure> {
        let mut items = match self {
            Self::Reply(reply) => return Ok(reply.unwrap_or_else(|| "null".to_owned())),
            Self::Items(items) => items,
        };
        let mut array = Vec::new();
        while let Some(item) = items.next().await {
            array.push(item?);
        }
        Ok(format!("[{}]", array.join(",")))
    }
}

fn to_json<C: Transcode>(codec: C, items: Items) -> JsonItems {
    // `Items::map` changes bodies to bodies.
    let items = StreamExt::map(items, move |item| {
        let json = codec.to_json(&item?)?;
        Ok(json.unwrap_or_else(|| "null".to_owned()))
    });
    Box::pin(items)
}
