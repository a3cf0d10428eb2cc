use std::any::Any;

use isolated_workers_codec::{Codec, DefaultCodec};
use isolated_workers_core::{Error, ErrorKind, Request, Response, Schema};
use isolated_workers_middleware::Handler;

use super::build_id::{self, OTHER_BUILD};
use super::function::{Function, FunctionCodec};

/// Service of all offloaded functions. Its messages are not part of it: the build of the caller is
/// compared instead.
pub(super) static SERVICE: Schema = Functions::SCHEMA;

/// Metadata key of the caller's build and the place of the function, with a space between them.
pub(super) const FUNCTION_KEY: &str = "iw-function";

/// Handler that calls the offloaded functions of this program, with the default codec.
///
/// [`init`](super::init) serves it. Add it to a [`Router`](isolated_workers_middleware::Router) for
/// a worker that has other services as well.
///
/// A function that is not async runs on a blocking thread. If a call is dropped or times out, the
/// thread continues, and its result is dropped.
///
/// Calls fail with [`Handshake`](ErrorKind::Handshake) if the caller is another build of this
/// program.
#[derive(Clone, Copy, Debug, Default)]
pub struct Functions;

#[diagnostic::do_not_recommend]
impl Handler for Functions {
    const SCHEMA: Schema = Schema::new("offload", 1);

    async fn handle<C: Codec>(&self, codec: &C, request: Request) -> Result<Response, Error> {
        let Some(codec) = (codec as &dyn Any).downcast_ref::<FunctionCodec>() else {
            let (own, default) = (C::ID, DefaultCodec::ID);
            let text = format!(
                "could not call the offloaded function `{}`: the codec of this worker is {own}, and such functions \
                 need {default}; remove `.codec(..)` on both sides",
                request.name()
            );
            return Err(Error::new(ErrorKind::Config, text));
        };
        let function = request.metadata().get(FUNCTION_KEY).and_then(|function| function.split_once(' '));
        let Some((_, place)) = function.filter(|(build, _)| *build == build_id::get()) else {
            let text = format!("could not call the offloaded function `{}`: {OTHER_BUILD}", request.name());
            return Err(Error::new(ErrorKind::Handshake, text));
        };
        (Function::find(request.name(), place)?.answer)(codec, request).await
    }
}
