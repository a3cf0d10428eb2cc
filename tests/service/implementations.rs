//! Ways to implement a service, and attributes on the implementation.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use isolated_workers::codec::{Codec, Json, Postcard};
use isolated_workers::service;
use isolated_workers::service::{Context, Handler, Local};

#[service]
trait Sums {
    async fn add(&self, a: i64, b: (i64, i64)) -> i64;
    async fn divide(&self, a: i64, b: i64) -> Result<i64, String>;
    async fn attempt(&self, context: Context, a: i64) -> i64;
    #[message(blocking)]
    fn block(&self, a: i64) -> Result<i64, String>;
}

async fn sums_are_right<C: Codec>(handler: impl Handler, codec: C) {
    let sums = SumsClient::new(Local::new(handler, codec));
    assert_eq!(sums.add(1, (2, 3)).await.unwrap(), 6);
    assert_eq!(sums.divide(7, 2).await.unwrap(), 3);
    assert_eq!(sums.divide(7, 0).await.unwrap_err().service().unwrap(), "zero");
    assert_eq!(sums.attempt(4).await.unwrap(), 5);
    assert_eq!(sums.block(4).await.unwrap(), 4);
}

macro_rules! sums_are_right {
    ($service:expr) => {
        sums_are_right(Sums::into_service($service), Json).await;
        sums_are_right(Sums::into_service($service), Postcard).await;
    };
}

fn divide(a: i64, b: i64) -> Result<i64, String> {
    a.checked_div(b).ok_or_else(|| "zero".to_owned())
}

/// Each method has `#[tracing::instrument]`.
struct Traced;

impl Sums for Traced {
    #[tracing::instrument(skip(self))]
    async fn add(&self, a: i64, b: (i64, i64)) -> i64 {
        tokio::task::yield_now().await;
        a + b.0 + b.1
    }
    #[tracing::instrument(skip_all, err, ret)]
    async fn divide(&self, a: i64, b: i64) -> Result<i64, String> {
        tokio::task::yield_now().await;
        divide(a, b)
    }
    #[tracing::instrument(skip_all, fields(attempt = context.attempt()))]
    async fn attempt(&self, context: Context, a: i64) -> i64 {
        a + i64::from(context.attempt())
    }
    #[tracing::instrument(skip(self), level = "debug")]
    fn block(&self, a: i64) -> Result<i64, String> {
        Ok(a)
    }
}

#[tokio::test]
async fn methods_may_be_instrumented() {
    sums_are_right!(Traced);
}

/// Generic over types, constants and lifetimes, with functions that return futures.
struct Generic<'a, T, F, const N: i64> {
    zero: T,
    divide: F,
    error: &'a str,
}

impl<T, F, const N: i64> Sums for Generic<'static, T, F, N>
where
    T: Into<i64> + Copy + Send + Sync + 'static,
    F: Fn(i64, i64) -> Option<i64> + Send + Sync + 'static,
{
    fn add(&self, a: i64, (b, c): (i64, i64)) -> impl Future<Output = i64> + Send {
        let zero = self.zero.into();
        async move { zero + a + b + c }
    }
    fn divide(&self, a: i64, b: i64) -> impl Future<Output = Result<i64, String>> + Send {
        std::future::ready((self.divide)(a, b).ok_or_else(|| self.error.to_owned()))
    }
    async fn attempt(&self, _: Context, mut a: i64) -> i64 {
        a += N;
        a
    }
    fn block(&self, a @ ..=i64::MAX: i64) -> Result<i64, String>
    where
        i64: Copy,
    {
        Ok(a)
    }
}

#[tokio::test]
async fn an_implementation_may_be_generic() {
    sums_are_right!(Generic::<'static, i32, _, 1> { zero: 0, divide: i64::checked_div, error: "zero" });
}

/// Passes the calls on to another implementation.
impl<T: Sums> Sums for Arc<T> {
    async fn add(&self, a: i64, b: (i64, i64)) -> i64 {
        T::add(self, a, b).await
    }
    async fn divide(&self, a: i64, b: i64) -> Result<i64, String> {
        (**self).divide(a, b).await
    }
    fn attempt(&self, context: Context, a: i64) -> impl Future<Output = i64> + Send {
        T::attempt(self, context, a)
    }
    fn block(&self, a: i64) -> Result<i64, String> {
        T::block(self, a)
    }
}

#[tokio::test]
async fn an_implementation_may_pass_calls_on() {
    sums_are_right!(Arc::new(Arc::new(Traced)));
}

/// Names of methods that traits give to many types, above all to futures and clients.
#[service]
trait Common {
    async fn r#await(&self) -> u8;
    async fn borrow(&self) -> u8;
    async fn borrow_mut(&self) -> u8;
    async fn as_ref(&self) -> u8;
    async fn drop(&self) -> u8;
    async fn eq(&self, other: u8) -> u8;
    async fn cmp(&self, other: u8) -> u8;
    async fn hash(&self) -> u8;
    async fn index(&self) -> u8;
    async fn from(&self) -> u8;
    async fn into_iter(&self) -> u8;
    async fn into_future(&self) -> u8;
    async fn next(&self) -> Option<u8>;
    async fn poll(&self) -> u8;
    async fn to_owned(&self) -> u8;
    async fn to_string(&self) -> u8;
    async fn type_id(&self) -> u8;
    async fn unwrap(&self) -> u8;
    async fn deref_mut(&self) -> u8;
    async fn start(&self) -> u8;
    async fn close(&self) -> u8;
    async fn handler(&self) -> u8;
    async fn body_limit(&self) -> u8;
    async fn boxed(&self) -> u8;
    async fn codec(&self) -> u8;
}

macro_rules! common {
    ($($name:ident $($argument:ident)?),* $(,)?) => {
        impl Common for Traced {
            $(async fn $name(&self $(, $argument: u8)?) -> u8 {
                1 $(+ $argument)?
            })*
            async fn next(&self) -> Option<u8> {
                Some(1)
            }
        }
    };
}

common! {
    r#await, borrow, borrow_mut, as_ref, drop, eq other, cmp other, hash, index, from, into_iter,
    into_future, poll, to_owned, to_string, type_id, unwrap, deref_mut, start, close, handler, body_limit,
    boxed, codec,
}

#[tokio::test]
async fn methods_may_have_the_names_of_methods_of_common_traits() {
    #[allow(unused_imports)]
    use std::borrow::{Borrow as _, BorrowMut as _};

    let client = CommonClient::new(Local::new(Common::into_service(Traced), Json));
    macro_rules! sum {
        ($($name:ident),*) => { 0 $(+ client.$name().await.unwrap())* };
    }
    let sum = sum!(
        r#await,
        borrow,
        borrow_mut,
        as_ref,
        drop,
        hash,
        index,
        from,
        into_iter,
        into_future,
        poll,
        to_owned,
        to_string,
        type_id,
        unwrap,
        deref_mut,
        start,
        close,
        handler,
        body_limit,
        boxed,
        codec
    );
    assert_eq!(sum, 22);
    assert_eq!(client.eq(1).await.unwrap() + client.cmp(2).await.unwrap(), 5);
    assert_eq!(client.next().await.unwrap(), Some(1));
}

/// Types of the user that are named like types that travel as bytes or as results.
mod lookalikes {
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct Vec<T>(pub(super) T);

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(super) struct Bytes {
        pub(super) number: u8,
    }

    pub(super) type Answer<T> = Result<T, String>;
    pub(super) use std::result::Result as Outcome;

    #[isolated_workers::service]
    pub(super) trait Lookalikes {
        async fn vec(&self, vec: Vec<u8>) -> Vec<u8>;
        async fn bytes(&self, bytes: Bytes) -> Bytes;
        #[allow(clippy::too_many_arguments)]
        async fn derived(&self, vec: Vec<u8>, #[serde(default)] bytes: Bytes) -> Vec<u8>;
        async fn alias(&self) -> Answer<u8>;
        async fn renamed(&self) -> Outcome<u8, String>;
        async fn inner(&self) -> Option<Result<u8, String>>;
    }

    impl Default for Bytes {
        fn default() -> Self {
            Self { number: 9 }
        }
    }
}

use lookalikes::{Bytes, Lookalikes, LookalikesClient};

impl Lookalikes for Traced {
    async fn vec(&self, vec: lookalikes::Vec<u8>) -> lookalikes::Vec<u8> {
        vec
    }
    async fn bytes(&self, bytes: Bytes) -> Bytes {
        bytes
    }
    async fn derived(&self, vec: lookalikes::Vec<u8>, bytes: Bytes) -> lookalikes::Vec<u8> {
        lookalikes::Vec(vec.0 + bytes.number)
    }
    async fn alias(&self) -> Result<u8, String> {
        Err("alias".into())
    }
    async fn renamed(&self) -> Result<u8, String> {
        Err("renamed".into())
    }
    async fn inner(&self) -> Option<Result<u8, String>> {
        Some(Err("inner".into()))
    }
}

async fn lookalikes_arrive<C: Codec>(codec: C) {
    let client = LookalikesClient::new(Local::new(Lookalikes::into_service(Traced), codec));
    assert_eq!(client.vec(lookalikes::Vec(1)).await.unwrap(), lookalikes::Vec(1));
    assert_eq!(client.bytes(Bytes { number: 2 }).await.unwrap(), Bytes { number: 2 });
    assert_eq!(client.derived(lookalikes::Vec(1), Bytes::default()).await.unwrap(), lookalikes::Vec(10));
    // The macro does not see a `Result` in them: they are values.
    assert_eq!(client.alias().await.unwrap(), Err("alias".to_owned()));
    assert_eq!(client.renamed().await.unwrap(), Err("renamed".to_owned()));
    assert_eq!(client.inner().await.unwrap(), Some(Err("inner".to_owned())));
}

#[tokio::test]
async fn types_that_are_named_like_bytes_are_sent_as_what_they_are() {
    lookalikes_arrive(Json).await;
    lookalikes_arrive(Postcard).await;
}

/// A macro that generates a service with its attributes, visibility, methods and implementation.
macro_rules! store {
    (
        $(#[$attribute:meta])* $visibility:vis trait $service:ident of $value:ty;
        $($(#[$method_attribute:meta])* fn $method:ident($($argument:ident: $type:ty),*);)*
        type $store:ident;
    ) => {
        $(#[$attribute])*
        #[service(derive(Debug))]
        $visibility trait $service {
            $(
                #[doc = concat!("Calls `", stringify!($method), "`.")]
                $(#[$method_attribute])*
                async fn $method(&self, $($argument: $type),*) -> $value;
            )*
            async fn failed(&self, value: $value) -> Result<$value, Vec<$value>>
            ;
        }

        $visibility struct $store;
    };
}

mod generated {
    use isolated_workers::service;

    #[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    pub(super) struct Failure<T>(pub(super) T);

    impl<T> std::fmt::Display for Failure<T> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("it failed")
        }
    }

    type Vec<T> = Failure<T>;

    store! {
        /// Numbers.
        #[allow(dead_code)]
        pub(super) trait Numbers of Option<u64>;
        #[message(retry = 2)]
        fn get(key: String);
        #[message(timeout = "3s", name = "put-value")]
        fn put(key: String, value: Option<u64>);
        #[must_use]
        #[doc(alias = "delete")]
        fn r#move(r#in: String, r#where: String);
        type NumberStore;
    }
}

use generated::{Failure, NumberStore, Numbers, NumbersClient};

impl Numbers for NumberStore {
    async fn get(&self, key: String) -> Option<u64> {
        key.parse().ok()
    }
    async fn put(&self, _: String, value: Option<u64>) -> Option<u64> {
        value
    }
    async fn r#move(&self, r#in: String, r#where: String) -> Option<u64> {
        HashMap::from([(r#where, 1)]).remove(&r#in)
    }
    async fn failed(&self, value: Option<u64>) -> Result<Option<u64>, Failure<Option<u64>>> {
        Err(Failure(value))
    }
}

#[tokio::test]
async fn a_macro_may_generate_a_service() {
    let client = NumbersClient::new(Local::new(NumberStore.into_service(), Postcard));
    assert_eq!(client.get("7".into()).await.unwrap(), Some(7));
    assert_eq!(client.put("7".into(), Some(8)).await.unwrap(), Some(8));
    assert_eq!(client.r#move("a".into(), "a".into()).await.unwrap(), Some(1));
    assert_eq!(client.failed(Some(2)).await.unwrap_err().service().unwrap(), Failure(Some(2)));
    let messages = [generated::numbers::Put { key: "k".into(), value: None }];
    assert_eq!(format!("{:?}", messages[0]), r#"Put { key: "k", value: None }"#);
}

/// Traits with raw names, and names with leading underscores.
mod unusual_names {
    use isolated_workers::service;

    #[service]
    pub(super) trait r#Box {
        async fn _hidden(&self, _value: u8, __codec: u8, __argument0: u8) -> u8;
    }

    #[service(module = r#type)]
    pub(super) trait Type {
        async fn r#struct(&self, r#in: u8) -> u8;
    }

    #[service]
    pub(super) trait __Private {
        async fn __private(&self, __service: String) -> String;
    }
}

impl unusual_names::r#Box for Traced {
    async fn _hidden(&self, _value: u8, __codec: u8, __argument0: u8) -> u8 {
        _value + __codec + __argument0
    }
}

impl unusual_names::Type for Traced {
    async fn r#struct(&self, value: u8) -> u8 {
        value
    }
}

impl unusual_names::__Private for Traced {
    async fn __private(&self, service: String) -> String {
        service
    }
}

#[tokio::test]
async fn names_may_be_raw_or_begin_with_underscores() {
    use unusual_names::{__Private, __PrivateClient, BoxClient, Type, TypeClient};

    let boxed = BoxClient::new(Local::new(unusual_names::r#Box::into_service(Traced), Json));
    assert_eq!(boxed._hidden(1, 2, 3).await.unwrap(), 6);
    let kind = TypeClient::new(Local::new(Type::into_service(Traced), Json));
    assert_eq!(kind.r#struct(4).await.unwrap(), 4);
    let private = __PrivateClient::new(Local::new(__Private::into_service(Traced), Json));
    assert_eq!(private.__private("a".into()).await.unwrap(), "a");
}
