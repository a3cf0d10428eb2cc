//! The macros of isolated-workers: [`macro@service`] turns a trait into typed messages with a client and a server,
//! [`macro@main`] makes a program a worker.
//!
//! Use them through the `isolated-workers` crate, which re-exports both, and which the generated code needs. What they
//! generate is what a person would write, and can be written by hand where it does not fit.

use proc_macro::TokenStream;

mod attributes;
mod client;
mod contract;
mod duration;
mod errors;
mod fingerprint;
mod main_fn;
mod message;
mod method;
mod module;
mod names;
mod request;
mod scope;
mod server;
mod service;
mod signature;
mod text;
mod types;

/// Makes a trait a service: its methods are calls to another process.
///
/// ```ignore
/// use isolated_workers::service;
///
/// /// Sums, in a process of its own.
/// #[service]
/// pub trait Calculator {
///     /// Adds.
///     async fn add(&self, a: i64, b: i64) -> i64;
///
///     /// Divides.
///     #[message(timeout = "60s", retry = 3)]
///     async fn divide(&self, a: i64, b: i64) -> Result<i64, DivideError>;
///
///     /// Writes a line to the worker's log.
///     #[message(oneway)]
///     async fn log(&self, line: String);
/// }
/// ```
///
/// The worker implements the trait, with plain `async fn`:
///
/// ```ignore
/// struct MyCalculator;
///
/// impl Calculator for MyCalculator {
///     async fn add(&self, a: i64, b: i64) -> i64 {
///         a + b
///     }
///     // ..
/// }
/// ```
///
/// The host calls it:
///
/// ```ignore
/// let calculator = CalculatorClient::new(worker);
/// let sum = calculator.add(2, 3).await?;
/// match calculator.divide(1, 0).await {
///     Ok(quotient) => println!("{quotient}"),
///     Err(CallError::Service(error)) => println!("the method answered {error}"),
///     Err(CallError::Call(error)) => println!("the call failed: {error}"),
/// }
/// ```
///
/// # What is generated
///
/// - The trait, with `Send + Sync + 'static` added. Its methods return futures that are `Send`. `into_service` makes an
///   implementation something to serve.
/// - `CalculatorClient<S>`, with one method for each of the trait. One that returns `T` there returns
///   `Result<T, Error>` here, and one that returns `Result<T, E>` returns `Result<T, CallError<E>>`.
/// - `CalculatorService<T>`, a `Handler` that answers each message with the method of the same name.
/// - `mod calculator`, with a message for each method (`calculator::Add { a, b }`), with `Request`, an enum of all of
///   them, and with `SCHEMA`, which tells host and worker whether they were built from the same definition.
///
/// All have the visibility of the trait. The names of methods, arguments and types make the schema; documentation,
/// timeouts, retries and the order of methods do not. Types count as they are written: the schema does not notice a
/// field that was added to a struct.
///
/// # Arguments and replies
///
/// They travel to another process, so they own their data (`String`, not `&str`) and implement serde's `Serialize` and
/// `Deserialize`. The error of a method implements `Display` and `Debug` too. Attributes on an argument go to the field
/// of its message: `async fn show(&self, #[serde(with = "hex")] bytes: Vec<u8>)`.
///
/// An argument that is a `Vec<u8>`, without such an attribute, travels as bytes in binary codecs, at the price of one
/// copy. Elsewhere it is a sequence of numbers to serde, which takes ten times as long and more: reply with
/// `bytes::Bytes`, and put `#[serde(with = "serde_bytes")]` on a field.
///
/// A `Result` is written with both of its types, since a macro cannot see what an alias such as `io::Result<T>` means.
///
/// A first argument of the type `Context` is none: it is what the method can know of the call, such as its metadata, its
/// deadline and whether it was given up. Callers do not see it, and it is no part of the schema. It is known by that
/// name, so a type of your own that is called so needs another, or an alias.
///
/// ```ignore
/// async fn render(&self, context: isolated_workers::Context, scene: Scene) -> Image;
/// ```
///
/// Types resolve as they do around the trait, except in one place: a trait inside of a function can only use types
/// from outside of that function. A `pub` trait can only reply with types that are `pub`.
///
/// # `#[service(..)]`
///
/// - `module = name`: the module's name, instead of the trait's in `snake_case`.
/// - `derive(Debug, Clone)`: more derives for messages and for `Request`, which leaves out `Default`.
/// - `crate = path`: where isolated-workers is, if not at `::isolated_workers`. Absolute, or valid in the trait's module.
///
/// # `#[message(..)]`
///
/// - `timeout = "60s"`: how long a call may take, instead of the worker's default. In `ms`, `s`, `m` or `h`; `"none"` or
///   `"0"` for no limit.
/// - `idempotent`: the call can be repeated without harm, and may be run again after a crash as often as the worker's
///   builder says.
/// - `retry = 3`: the call can be repeated without harm, and may be run again that many times if the worker crashes.
///   Default: it is not run again.
/// - `oneway`: nobody waits for the method to run, and nothing comes back from it. It cannot be retried, since nothing
///   tells whether it ran.
/// - `blocking`: the method is a plain `fn`, which may compute for long or block: it runs on a thread of tokio's blocking
///   pool, beside the connection, which goes on to answer others, cancels and heartbeats. A call that is given up does not
///   stop it: what it returns is dropped. A worker that ends does not wait for it, unless its runtime does: that of
///   `#[main]` does not, that of `#[tokio::main]` waits until the host loses patience (`Timeouts::close`).
/// - `name = "wireName"`: the message's name on the wire, instead of the method's.
///
/// # Messages by hand
///
/// A worker that would rather look at messages than implement a trait, such as an actor with a queue, decodes them:
///
/// ```ignore
/// match calculator::Request::decode(codec, &request)? {
///     calculator::Request::Add(calculator::Add { a, b }) => queue.push(Job::Sum(a, b)),
///     other => println!("not today: {}", other.name()),
/// }
/// ```
#[proc_macro_attribute]
pub fn service(options: TokenStream, item: TokenStream) -> TokenStream {
    service::expand(options.into(), item.into()).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Makes a program a worker: serves what `async fn main` returns.
///
/// ```ignore
/// #[isolated_workers::main]
/// async fn main() -> impl Calculator {
///     MyCalculator
/// }
/// ```
///
/// The return type names the service's trait, which need not be imported: `impl api::Calculator`. Of several, the first
/// is served: `impl Calculator + Clone`.
///
/// A worker that can fail to start returns a `Result`, or an alias of it such as `io::Result<impl Calculator>`. The
/// program then ends as any that returns an error from `main` does: with its `Debug` output and exit code 1.
///
/// ```ignore
/// #[isolated_workers::main(codec = Postcard)]
/// async fn main() -> Result<impl Calculator, ConfigError> {
///     Ok(MyCalculator::new(Config::load()?))
/// }
/// ```
///
/// An argument is the startup data of the host's builder. `main` then runs when the host has sent it, and an error of it is
/// told to the host, too: it is anything that `?` puts into a `Box<dyn Error + Send + Sync>`.
///
/// ```ignore
/// #[isolated_workers::main]
/// async fn main(config: Config) -> Result<impl Calculator, ConfigError> {
///     MyCalculator::new(config)
/// }
/// ```
///
/// # Options
///
/// - `codec = expression`: the codec to serve with, which must be that of the host. Default: that of `serve`.
/// - `crate = path`: where isolated-workers is, if not at `::isolated_workers`.
///
/// # What is generated
///
/// A `fn main` that is short enough to write by hand, for example to add middleware:
///
/// ```ignore
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), isolated_workers::Error> {
///     isolated_workers::serve(MyCalculator.into_service()).codec(Postcard).await
/// }
/// ```
///
/// With startup data it calls `isolated_workers::serve_with` instead.
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    main_fn::expand(options.into(), item.into()).unwrap_or_else(|error| main_fn::failed(&error)).into()
}
