//! Macros of isolated-workers: [`macro@service`] turns a trait into typed messages with a client
//! and a handler, [`macro@main`] turns a program into a worker, and [`macro@test`] turns a test
//! into one whose worker is the test program itself. [`macro@offload`] lets a function run in
//! worker processes of its program.
//!
//! Use them through the `isolated-workers` crate, which re-exports them. Generated code refers to
//! that crate, and is ordinary code that you can also write by hand.

use proc_macro::TokenStream;

mod attribute_parts;
mod attributes;
mod client;
mod definition;
mod doc_links;
mod duration;
mod errors;
mod fingerprint;
mod generic_names;
mod handler;
mod info;
mod main_fn;
mod message;
mod message_serde;
mod method;
mod module;
mod names;
mod offload;
mod request_enum;
mod scope;
mod service;
mod service_trait;
mod signature;
mod test_fn;
mod token_text;
mod type_check;

/// Turns a trait into a service, whose methods are calls to another process.
///
/// ```ignore
/// use isolated_workers::service;
///
/// /// Arithmetic in a worker process.
/// #[service]
/// pub trait Calculator {
///     /// Adds two numbers.
///     async fn add(&self, a: i64, b: i64) -> i64;
///
///     /// Divides two numbers.
///     #[message(timeout = "60s", retry = 3)]
///     async fn divide(&self, a: i64, b: i64) -> Result<i64, DivideError>;
///
///     /// Writes a line to the worker's log.
///     #[message(oneway)]
///     async fn log(&self, line: String);
/// }
/// ```
///
/// The worker implements the trait with plain `async fn`:
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
///     Err(CallError::Service(error)) => println!("the method returned an error: {error}"),
///     Err(CallError::Call(error)) => println!("the call failed: {error}"),
/// }
/// ```
///
/// # Generated items
///
/// - The trait, with `Send + Sync + 'static` added. Its methods return futures that are `Send`.
///   `into_service` wraps an implementation in a `CalculatorService`.
/// - `CalculatorClient<S>`, with one method for each method of the trait. A method that returns `T`
///   in the trait returns `Result<T, Error>` here. A method that returns `Result<T, E>` returns
///   `Result<T, CallError<E>>`.
/// - With the feature `blocking`: `CalculatorBlockingClient<S>`, with the same methods as plain
///   functions that wait, over a blocking worker or pool. A stream is an iterator there.
/// - `CalculatorService<T>`, a `Handler` that answers each message with the method of the same
///   name.
/// - `mod calculator`, with a message for each method (`calculator::Add { a, b }`). It also
///   contains `Request`, an enum of all messages, and `SCHEMA`. Host and worker compare their
///   schemas to detect mismatched definitions.
///
/// All items have the visibility of the trait. The schema consists of the names of methods,
/// arguments and types. It does not include documentation, timeouts, retries or the order of
/// methods. Types count as they are written, so the schema does not change if a struct gains a
/// field.
///
/// Any names can be used, except methods named `new`, `service`, `into_service`, `into` and
/// `try_into`, methods whose message would be `Request` or `SCHEMA`, and arguments named like a
/// constant or static in scope.
///
/// A service in a function cannot use the types of that function, because its messages are in a
/// module. Neither the trait nor an implementation may have `#[async_trait]`.
///
/// # Attributes
///
/// Lint levels of the trait and its methods apply to the generated code too, and a `#[deprecated]`
/// method is deprecated in the client. Generated code allows `dead_code`, and serde's derives allow
/// further lints, so these can be denied but not forbidden.
///
/// A method's documentation is repeated in the client, and links in it still resolve. Documentation
/// of an argument belongs to the field of the message: `#[doc = ".."]`.
///
/// Host and worker must have the same messages. `#[cfg]` on a method or an argument and
/// `#[message]` inside a `cfg_attr` are therefore errors.
///
/// # Arguments and replies
///
/// Arguments and replies are sent to another process. They own their data (`String`, not `&str`)
/// and implement serde's `Serialize` and `Deserialize`. The error of a method also implements
/// `Display` and `Debug`. Attributes on an argument go to the field of its message:
/// `async fn show(&self, #[serde(with = "hex")] bytes: Vec<u8>)`.
///
/// A `Vec<u8>` as an argument without a serde attribute or as a reply is sent as bytes, with one
/// copy, and as base64 in JSON. In all other places serde treats a `Vec<u8>` as a sequence of
/// numbers, which is at least ten times slower. Put
/// `#[serde(with = "isolated_workers::codec::byte_vec")]` on a field of a struct.
///
/// Write a `Result` with both of its types. The macro cannot see the error type of an alias such as
/// `io::Result<T>`.
///
/// A first parameter of the type `Context` is not an argument. It gives the method access to the
/// call's metadata, deadline and cancellation. Callers do not see it, and the schema does not
/// include it. The macro recognizes it by the name `Context`, so rename or alias your own type of
/// that name.
///
/// ```ignore
/// async fn render(&self, context: isolated_workers::service::Context, scene: Scene) -> Image;
/// ```
///
/// Types resolve as they do around the trait, with one exception: a trait inside a function can
/// only use types from outside that function. A `pub` trait can only reply with `pub` types.
///
/// # Streams
///
/// A method that returns `impl Stream<Item = T>` answers with items. It is a plain `fn`: the call
/// starts when its stream is polled. The client's method returns a `StreamingReply` of
/// `Result<T, Error>`. With `impl Stream<Item = Result<T, E>>`, the first error ends the stream,
/// and the client gets `Result<T, CallError<E>>`.
///
/// A parameter of the type `Streaming<T>` is a stream of items of the caller. It is no field of the
/// message, and a method has at most one. The client's method takes any `Stream<Item = T>` there,
/// or `try_items` of a stream of results.
///
/// ```ignore
/// fn search(&self, word: String) -> impl Stream<Item = Result<Hit, SearchError>>;
/// async fn add(&self, name: String, pages: Streaming<Page>) -> u64;
/// fn translate(&self, lines: Streaming<String>) -> impl Stream<Item = String>;
/// ```
///
/// The macro recognizes both by their names. Such a method is neither `oneway` nor `blocking`, and
/// one with a `Streaming` has no `retry`.
///
/// # `#[service(..)]`
///
/// - `module = name`: name of the module. Default: the trait's name in `snake_case`.
/// - `schema`: adds the JSON Schemas of arguments, replies, errors and items to the description of a
///   worker. Needs the feature `schema`, and types that implement `schemars::JsonSchema`.
/// - `derive(Debug, Clone)`: additional derives for messages and for `Request`. `Request` does not
///   derive `Default`.
/// - `crate = path`: path of isolated-workers, absolute or valid in the trait's module. Default:
///   `::isolated_workers`.
///
/// # `#[message(..)]`
///
/// - `timeout = "60s"`: time limit of a call, in `ms`, `s`, `m` or `h`; `"none"` or `"0"` for no
///   limit. Default: the worker's default timeout.
/// - `idle = "5s"`: maximum time that the caller of a stream waits for the next item, after the
///   first one. Default: no limit.
/// - `idempotent`: the call can be repeated without harm. After a crash it may run again as often
///   as the worker's builder allows.
/// - `retry = 3`: the call can be repeated without harm. It may run again up to three times if the
///   worker crashes. Default: it does not run again.
/// - `oneway`: the call returns when the message is sent. There is no reply and no error from the
///   method. A oneway message cannot be retried, because its outcome is not reported.
/// - `blocking`: the method is a plain `fn`, which may block or compute for a long time. It runs on
///   tokio's blocking pool, so the connection still handles other calls, cancels and heartbeats.
///   Its arguments are decoded and its reply is encoded there, too.
///   Cancelling the call does not stop the method; its result is dropped. A worker that exits does
///   not wait for the method, unless its runtime does: `#[main]` does not wait, while
///   `#[tokio::main]` waits until the host's `Timeouts::close` expires.
/// - `name = "wireName"`: name of the message on the wire. Default: the method's name.
///
/// # Handle messages by hand
///
/// A worker can decode messages itself instead of implementing the trait, for example an actor with
/// a queue:
///
/// ```ignore
/// match calculator::Request::decode(codec, &request)? {
///     calculator::Request::Add(calculator::Add { a, b }) => queue.push(Job::Sum(a, b)),
///     other => println!("ignored: {}", other.name()),
/// }
/// ```
#[proc_macro_attribute]
pub fn service(options: TokenStream, item: TokenStream) -> TokenStream {
    service::expand(options.into(), item.into()).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Turns a program into a worker that serves the return value of `async fn main`.
///
/// ```ignore
/// #[isolated_workers::main]
/// async fn main() -> impl Calculator {
///     MyCalculator
/// }
/// ```
///
/// The return type names the service's trait. It can be a path, such as `impl api::Calculator`,
/// without an import. If there are several bounds, the first is served: `impl Calculator + Clone`.
///
/// A worker that can fail to start returns a `Result`, or an alias such as
/// `io::Result<impl Calculator>`. As with any `main`, an error is printed with `Debug` and the
/// program exits with code 1.
///
/// ```ignore
/// #[isolated_workers::main(codec = Postcard)]
/// async fn main() -> Result<impl Calculator, ConfigError> {
///     Ok(MyCalculator::new(Config::load()?))
/// }
/// ```
///
/// An argument is the startup data from the host's builder. `main` then runs when the host has sent
/// it, and its error is also sent to the host. The error can be any type that `?` converts into a
/// `Box<dyn Error + Send + Sync>`.
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
/// - `codec = expression`: codec to serve with. It must match the host's codec. Default: the
///   default of `serve`.
/// - `crate = path`: path of isolated-workers. Default: `::isolated_workers`.
///
/// # Generated code
///
/// The generated `fn main` is short. Write it by hand to add middleware, for example:
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

/// Turns a function into a test whose worker is a process of the test program itself.
///
/// No other program has to be built. The worker can crash, hang and be killed, as in production.
///
/// ```ignore
/// #[isolated_workers::test(serve = MyCalculator.into_service())]
/// async fn adds(worker: Worker) -> Result<(), Error> {
///     let calculator = CalculatorClient::new(worker);
///     assert_eq!(calculator.add(2, 3).await?, 5);
///     Ok(())
/// }
/// ```
///
/// An `async fn` runs on a current-thread runtime, as with `#[tokio::test]`, and a plain `fn` without
/// one. A panic fails it, and so does an `Err`. Other attributes, such as `#[ignore]` and
/// `#[should_panic]`, work as with `#[test]`.
///
/// # Argument
///
/// - `worker: Worker` is a worker that is ready. The test fails if it does not start. A worker that
///   the test does not close is killed at its end.
/// - `pool: Pool` is a pool of such workers.
/// - In a plain `fn`, `blocking::Worker` and `blocking::Pool` take their places.
/// - `program: Program` starts the worker with your own settings:
///   `Worker::builder(program).on_crash(..).spawn()`, or several workers.
///
/// A test without an argument and without `serve` starts no worker.
///
/// # Options
///
/// - `serve = expression`: handler of the worker, or a handler with options, such as
///   `serve(MyCalculator.into_service()).layer(Auth::check(..))`. Evaluated only in the worker. It
///   may await.
/// - `codec = expression`: codec of the handler, and of an argument that is ready. Default: the
///   default of `serve`. A handler with options has its own codec.
/// - `crate = path`: path of isolated-workers. Default: `::isolated_workers`.
///
/// # Test programs
///
/// With the harness of `cargo test`, the worker is this program with the arguments that select the
/// one test. cargo-nextest works in the same way.
///
/// A function that is called `main` is no `#[test]`, but the `main` of its program: use it with
/// `harness = false`, and in documentation tests, which have no harness.
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    test_fn::expand(options.into(), item.into()).unwrap_or_else(|error| error.to_compile_error()).into()
}

/// Adds calls in worker processes to a function, which stays an ordinary function.
///
/// ```ignore
/// #[offload]
/// fn count_primes(below: u64) -> u64 {
///     // ..
/// }
///
/// count_primes(100);                          // in this process
/// count_primes::blocking(100)?;               // in a worker of the default pool
/// count_primes::run(100).await?;              // the same, without blocking the thread
/// count_primes::on(&pool, 100).await?;        // in a worker of your own pool
/// pool.map(1..=100, count_primes::task);      // for many arguments
/// ```
///
/// The worker is this program, whose `main` calls `isolated_workers::offload::init()` first.
/// See the module `isolated_workers::offload` for the whole picture.
///
/// # Generated calls
///
/// The calls have the visibility of the function. If it returns `T`, they return
/// `Result<T, Error>`. If it returns `Result<T, E>`, they return `Result<T, CallError<E>>`.
/// Dropping a future cancels its call.
///
/// - `f::on(&service, arguments..)`: calls the function in a pool or a worker that was started with
///   `offload::program()`, or whose handler is or contains `offload::Functions`.
/// - `f::run(arguments..)`: the same in the default pool, `offload::pool()`.
/// - `f::blocking(arguments..)`: the same, on any thread, with or without a runtime.
/// - `f::task(service, item)`: the same as `on`, for `Pool::map`. The item is the argument, or a
///   tuple of the arguments.
///
/// `on` encodes the arguments at once, and the others when their future is first polled. In the
/// worker, a function that is not async runs on a blocking thread.
///
/// # Functions
///
/// Arguments and results own their data and implement serde's `Serialize` and `Deserialize`. The
/// error of a `Result` also implements `Display` and `Debug`. Write a `Result` with both of its
/// types: the macro cannot see the error type of an alias.
///
/// Generic functions, methods with `self`, unsafe functions and more than 12 arguments are refused.
/// A function inside another function is allowed. No type or module in the same scope may have the
/// name of the function, because the calls belong to an enum of that name.
///
/// # Options
///
/// - `timeout = "60s"`: time limit of a call, in `ms`, `s`, `m` or `h`; `"none"` or `"0"` for no
///   limit. Default: the default timeout of the worker, 5 minutes.
/// - `idempotent`, `retry = 3`: the call may run again if its worker crashes, as in
///   `#[message(..)]`.
/// - `crate = path`: path of isolated-workers. Default: `::isolated_workers`.
#[proc_macro_attribute]
pub fn offload(options: TokenStream, item: TokenStream) -> TokenStream {
    offload::expand(options.into(), item.into()).into()
}

/// Turns a closure that captures nothing into one that runs in a worker.
///
/// ```ignore
/// let square = offload::closure!(&pool, |n: u64| -> u64 { n * n });
/// assert_eq!(square(12).await?, 144);
/// ```
///
/// The first argument is a pool or a worker that serves offloaded functions, or a reference to it.
/// It is cloned for each call. The closure may be `async`, and names the types of its arguments and
/// of its result, for which the rules of `#[offload]` apply. It cannot use the variables around it,
/// which exist only in this process: pass them as arguments. A function that is passed as a value
/// may need a path, such as `self::square`, because the macro takes a plain name for a variable.
#[proc_macro]
pub fn closure(tokens: TokenStream) -> TokenStream {
    offload::closure::expand(tokens.into()).into()
}
