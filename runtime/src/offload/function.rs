//! Registry of the functions that `#[offload]` annotates.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use isolated_workers_codec::DefaultCodec;
use isolated_workers_core::{Error, ErrorKind, Request, ServiceError, Value};
use isolated_workers_middleware::LimitedCodec;
use isolated_workers_middleware::handler::Answer;

use super::Types;
use super::build_id::OTHER_BUILD;

/// Codec that a connection with the default codec passes to its handlers.
pub type FunctionCodec = LimitedCodec<DefaultCodec>;

/// Type that stands for an offloaded function with `COUNT` arguments. `#[offload]` implements it.
// The types of the arguments are not a part of it, because the compiler would report them again.
pub trait Offloaded<const COUNT: usize>: Types<COUNT> + 'static {
    /// Path of the function, which is the name of its message.
    const NAME: &'static str;
    /// File, line and column of the function. It tells functions in different functions apart,
    /// whose paths are equal.
    const PLACE: &'static str;
    /// Type that the function returns, or the first one of its `Result`.
    type Reply: Value;
    /// Error of a function that returns a `Result`.
    type Error: ServiceError;
    /// The same as in a [`Message`](isolated_workers_core::Message), and so are the next two.
    const TIMEOUT: Option<Duration> = None;
    #[allow(missing_docs)]
    const RETRY: u32 = 0;
    #[allow(missing_docs)]
    const IDEMPOTENT: bool = Self::RETRY > 0;

    /// Calls the function with the arguments of a request.
    fn answer(codec: &FunctionCodec, request: Request) -> Answer<'_>;
}

/// Entry of the registry. The linker collects all entries of a program: no address of the host
/// means anything in a worker.
#[derive(Debug)]
pub struct Function {
    name: &'static str,
    place: &'static str,
    pub(super) answer: for<'a> fn(&'a FunctionCodec, Request) -> Answer<'a>,
}

inventory::collect!(Function);

impl Function {
    /// Entry of the function that `F` stands for.
    pub const fn of<F: Offloaded<COUNT>, const COUNT: usize>() -> Self {
        Self { name: F::NAME, place: F::PLACE, answer: F::answer }
    }

    /// Returns the function of this name at this place.
    ///
    /// # Errors
    /// `UnknownMessage` if this program has none, `Config` if a macro has defined several.
    pub(super) fn find(name: &str, place: &str) -> Result<&'static Self, Error> {
        static REGISTRY: OnceLock<HashMap<(&str, &str), Vec<&Function>>> = OnceLock::new();
        let registry = REGISTRY.get_or_init(|| {
            let mut functions: HashMap<_, Vec<_>> = HashMap::new();
            for function in inventory::iter::<Self> {
                functions.entry((function.name, function.place)).or_default().push(function);
            }
            functions
        });
        let (kind, cause) = match registry.get(&(name, place)).map_or(&[][..], |functions| functions) {
            [function] => return Ok(function),
            [] => (ErrorKind::UnknownMessage, format!("this program has none at {place}: {OTHER_BUILD}")),
            _ => (ErrorKind::Config, format!("the macro at {place} defines several; rename all but one")),
        };
        Err(Error::new(kind, format!("could not call the offloaded function `{name}`: {cause}")))
    }
}
