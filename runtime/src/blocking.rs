//! Workers, pools and calls for programs without a runtime.
//!
//! One thread of the process, the background runtime, has all I/O and tasks of blocking workers
//! and pools. A call is polled by the thread that waits for it.

pub(crate) mod background;
#[cfg(feature = "pool")]
mod checkout;
mod client;
#[cfg(feature = "pool")]
mod map;
#[cfg(feature = "pool")]
mod pool;
mod reply_iter;
mod run;
#[cfg(feature = "pool")]
mod scoped_pool;
mod service;
mod worker;

pub use self::background::block_on;
#[cfg(feature = "pool")]
pub use self::checkout::Checkout;
pub use self::client::{send, send_items, stream, stream_items};
#[cfg(feature = "pool")]
pub use self::map::Map;
#[cfg(feature = "pool")]
pub use self::pool::Pool;
pub use self::reply_iter::ReplyIter;
pub use self::run::run;
#[cfg(feature = "pool")]
pub use self::scoped_pool::ScopedPool;
pub use self::service::BlockingService;
pub use self::worker::Worker;
