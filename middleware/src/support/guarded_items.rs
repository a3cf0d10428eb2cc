use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use isolated_workers_core::{Body, Error, ErrorKind, Items, Name};

use super::guard::describe_panic;

/// Converts a panic of the code that makes or changes `items` to an error, and an error of another
/// call to one of a handler that has run. `name`: name of the message.
pub fn guard_items(items: Items, name: Name) -> Items {
    Items::new(GuardedItems { items, name })
}

struct GuardedItems {
    items: Items,
    name: Name,
}

impl Stream for GuardedItems {
    type Item = Result<Body, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        match catch_unwind(AssertUnwindSafe(|| Pin::new(&mut this.items).poll_next(cx))) {
            Ok(polled) => polled.map_err(Error::from_handler),
            Err(panic) => {
                let text = format!("the items of `{}` {}", this.name, describe_panic(&*panic));
                Poll::Ready(Some(Err(Error::new(ErrorKind::Panicked, text))))
            }
        }
    }
}
