use std::sync::Arc;

use isolated_workers_middleware::{Layered, Local, Middleware, Service};

/// Service that a blocking client can call: its tasks do not need the thread that waits.
///
/// Implemented for [`Worker`](super::Worker), [`Pool`](super::Pool), [`Local`] (whose handlers are
/// polled by the thread that waits), references and `Arc`s of them, and layers around them. A
/// [`Worker`](crate::Worker) of an async runtime is none: its runtime might wait for the very
/// thread that runs it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be called by a blocking client",
    label = "needs to be a blocking worker or pool",
    note = "start it with `blocking::Worker::spawn(builder)` or `blocking::Pool::spawn(builder)`"
)]
pub trait BlockingService: Service {}

impl<S: BlockingService> BlockingService for &S {}
impl<S: BlockingService> BlockingService for Arc<S> {}
impl<H, C> BlockingService for Local<H, C> where Local<H, C>: Service {}
impl<M: Middleware, S: BlockingService> BlockingService for Layered<M, S> {}

/// Makes a wrapper of an async handle a blocking service that calls through the handle. The two
/// lists are the generic parameters with which the handle is a service, and with which it exists.
macro_rules! delegate_to_handle {
    ([$($of_service:tt)*] [$($of_handle:tt)*] $wrapper:ty => $handle:ty) => {
        impl<$($of_service)*> $crate::blocking::BlockingService for $wrapper {}

        impl<$($of_service)*> ::isolated_workers_middleware::Service for $wrapper {
            type Codec = <$handle as ::isolated_workers_middleware::Service>::Codec;
            const CATCHES_PANICS: bool = <$handle as ::isolated_workers_middleware::Service>::CATCHES_PANICS;

            fn codec(&self) -> &Self::Codec {
                self.0.codec()
            }

            fn body_limit(&self) -> ::isolated_workers_codec::BodyLimit {
                self.0.body_limit()
            }

            fn call(
                &self,
                request: ::isolated_workers_core::Request,
            ) -> impl ::std::future::Future<
                Output = ::std::result::Result<
                    ::isolated_workers_core::Response,
                    ::isolated_workers_core::Error,
                >,
            > + ::std::marker::Send {
                self.0.call(request)
            }
        }

        impl<$($of_handle)*> ::std::clone::Clone for $wrapper {
            fn clone(&self) -> Self {
                Self(::std::clone::Clone::clone(&self.0))
            }
        }

        impl<$($of_handle)*> ::std::fmt::Debug for $wrapper {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

pub(super) use delegate_to_handle;
