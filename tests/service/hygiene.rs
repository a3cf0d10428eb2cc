//! Services whose names are those of the generated code: arguments, methods, traits, types and
//! macros. The names of types that travel are in `services/names.rs`.

use isolated_workers::codec::Json;
use isolated_workers::service::Local;

/// Traits and messages named like type parameters, and arguments named like variables.
mod letters {
    use isolated_workers::service;

    #[service]
    pub(crate) trait T {
        async fn c(&self, t: u8) -> u8;
        async fn t(&self, codec: u8, request: u8) -> u8;
        async fn s(&self, service: Vec<u8>) -> usize;
        #[message(blocking)]
        fn block(&self, service: u8, codec: String, request: u8, context: u8, run: u8, message: u8) -> u8;
        #[message(blocking)]
        fn length(&self, service: String) -> Result<usize, String>;
    }

    #[service]
    pub(crate) trait C {
        #[message(blocking)]
        fn c(&self, c: String, service: u8) -> String;
    }

    #[service]
    pub(crate) trait S {
        async fn s(&self, s: String) -> String;
    }

    #[service]
    pub(crate) trait Request {
        async fn ask(&self, request: String) -> String;
    }

    pub(crate) struct Letters;

    impl T for Letters {
        async fn c(&self, t: u8) -> u8 {
            t
        }
        async fn t(&self, codec: u8, request: u8) -> u8 {
            codec + request
        }
        async fn s(&self, service: Vec<u8>) -> usize {
            service.len()
        }
        fn block(&self, service: u8, codec: String, request: u8, context: u8, run: u8, message: u8) -> u8 {
            service + request + context + run + message + codec.parse::<u8>().unwrap()
        }
        fn length(&self, service: String) -> Result<usize, String> {
            Ok(service.len())
        }
    }

    impl C for Letters {
        fn c(&self, c: String, service: u8) -> String {
            c.repeat(service.into())
        }
    }

    impl S for Letters {
        async fn s(&self, s: String) -> String {
            s
        }
    }

    impl Request for Letters {
        async fn ask(&self, request: String) -> String {
            request
        }
    }
}

#[tokio::test]
async fn arguments_methods_and_traits_may_have_the_names_of_generated_code() {
    use letters::{C, CClient, Letters, Request, RequestClient, S, SClient, T, TClient};
    let t = TClient::new(Local::new(T::into_service(Letters), Json));
    assert_eq!(t.c(1).await.unwrap(), 1);
    assert_eq!(t.t(1, 2).await.unwrap(), 3);
    assert_eq!(t.s(vec![0; 3]).await.unwrap(), 3);
    assert_eq!(t.block(1, "2".into(), 3, 4, 5, 6).await.unwrap(), 21);
    assert_eq!(t.length("abc".into()).await.unwrap(), 3);
    let c = CClient::new(Local::new(C::into_service(Letters), Json));
    assert_eq!(c.c("a".into(), 3).await.unwrap(), "aaa");
    let s = SClient::new(Local::new(S::into_service(Letters), Json));
    assert_eq!(s.s("s".into()).await.unwrap(), "s");
    let request = RequestClient::new(Local::new(Request::into_service(Letters), Json));
    assert_eq!(request.ask("r".into()).await.unwrap(), "r");
}

/// Types named like the primitives in generated code.
mod primitives {
    #![allow(non_camel_case_types)]

    use isolated_workers::service;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct bool(pub(crate) u8);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct u32(pub(crate) u8);

    #[service(derive(Debug))]
    pub(crate) trait Primitives {
        #[message(retry = 3, timeout = "5s")]
        async fn number(&self, value: bool) -> u32;
        #[message(oneway)]
        async fn note(&self);
        #[message(idempotent)]
        async fn again(&self);
    }

    pub(crate) struct Numbers;

    impl Primitives for Numbers {
        async fn number(&self, value: bool) -> u32 {
            u32(value.0)
        }
        async fn note(&self) {}
        async fn again(&self) {}
    }
}

#[tokio::test]
async fn types_may_have_the_names_of_primitives() {
    use primitives::{Numbers, Primitives as _, PrimitivesClient};
    let client = PrimitivesClient::new(Local::new(Numbers.into_service(), Json));
    assert_eq!(client.number(primitives::bool(7)).await.unwrap(), primitives::u32(7));
}

/// A trait of every type whose items have the names of those that generated code uses.
mod blanket {
    use isolated_workers::service;

    #[allow(dead_code, clippy::wrong_self_convention, clippy::new_ret_no_self)]
    pub(crate) trait Everything {
        const NAME: u8 = 0;
        const SCHEMA: u8 = 0;
        const ONEWAY: u8 = 0;
        fn as_ref(&self) {}
        fn clone(&self) {}
        fn decode() {}
        fn deref(&self) {}
        fn into_future(&self) {}
        fn into_service(&self) {}
        fn map(&self) {}
        fn name(&self) {}
        fn new() {}
        fn poll(&self) {}
        fn send(&self) {}
    }

    impl<T: ?Sized> Everything for T {}

    #[service]
    pub(crate) trait Plain {
        async fn send(&self, bytes: Vec<u8>) -> Vec<u8>;
        #[message(blocking)]
        fn deref(&self) -> u8;
        async fn clone(&self) -> Result<u8, String>;
    }

    pub(crate) struct Values;

    impl Plain for Values {
        async fn send(&self, bytes: Vec<u8>) -> Vec<u8> {
            bytes
        }
        fn deref(&self) -> u8 {
            1
        }
        async fn clone(&self) -> Result<u8, String> {
            Err("not this one".into())
        }
    }
}

#[tokio::test]
async fn a_trait_of_every_type_does_not_change_generated_code() {
    use blanket::{Plain, PlainClient, Values};
    let client = PlainClient::new(Local::new(Plain::into_service(Values), Json));
    assert_eq!(client.send(vec![1]).await.unwrap(), [1]);
    assert_eq!(client.deref().await.unwrap(), 1);
    assert_eq!(client.clone().await.unwrap_err().service().unwrap(), "not this one");
}

/// Types that a macro names, and services that a macro declares.
mod macros {
    use isolated_workers::service;
    use serde::{Deserialize, Serialize};

    #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
    pub(crate) struct S(pub(crate) u8);

    macro_rules! s {
        () => {
            S
        };
    }

    #[service]
    pub(crate) trait Expanded {
        async fn twice(&self, value: s!()) -> (s!(), S);
    }

    macro_rules! declare {
        ($service:ident, $method:ident, $argument:ident: $type:ty) => {
            #[service]
            pub(crate) trait $service {
                async fn $method(&self, $argument: $type, other: u8) -> ($type, u8);
                #[message(blocking)]
                fn block(&self, $argument: $type, codec: u8) -> Result<$type, String>;
            }

            impl $service for Machine {
                async fn $method(&self, $argument: $type, other: u8) -> ($type, u8) {
                    ($argument, other)
                }
                fn block(&self, $argument: $type, codec: u8) -> Result<$type, String> {
                    if codec == 0 { Ok($argument) } else { Err(codec.to_string()) }
                }
            }
        };
    }

    pub(crate) struct Machine;

    impl Expanded for Machine {
        async fn twice(&self, value: S) -> (S, S) {
            (value.clone(), value)
        }
    }

    declare!(Declared, s, service: S);
}

#[tokio::test]
async fn macros_may_name_types_and_declare_services() {
    use macros::{Declared, DeclaredClient, Expanded, ExpandedClient, Machine, S};
    let client = ExpandedClient::new(Local::new(Expanded::into_service(Machine), Json));
    assert_eq!(client.twice(S(1)).await.unwrap(), (S(1), S(1)));
    let client = DeclaredClient::new(Local::new(Declared::into_service(Machine), Json));
    assert_eq!(client.s(S(1), 2).await.unwrap(), (S(1), 2));
    assert_eq!(client.block(S(1), 0).await.unwrap(), S(1));
}

/// A module without a prelude.
mod no_prelude {
    #![no_implicit_prelude]

    use ::isolated_workers::service;
    use ::isolated_workers::service::Context;
    use ::std::prelude::v1::derive;

    #[service(derive(::core::fmt::Debug, ::core::clone::Clone))]
    pub(crate) trait Bare {
        async fn bytes(&self, bytes: ::std::vec::Vec<u8>) -> ::std::vec::Vec<u8>;
        #[message(blocking, timeout = "1500ms", retry = 2)]
        fn block(&self, context: Context, value: u8) -> u8;
        async fn fail(&self) -> ::core::result::Result<u8, ::std::string::String>;
        #[message(oneway)]
        async fn note(&self, value: ::core::option::Option<u8>);
        #[message(idempotent)]
        async fn again(&self);
    }

    #[derive(::core::fmt::Debug)]
    pub(crate) struct Nothing;

    impl Bare for Nothing {
        async fn bytes(&self, bytes: ::std::vec::Vec<u8>) -> ::std::vec::Vec<u8> {
            bytes
        }
        fn block(&self, _: Context, value: u8) -> u8 {
            value
        }
        async fn fail(&self) -> ::core::result::Result<u8, ::std::string::String> {
            ::core::result::Result::Ok(1)
        }
        async fn note(&self, _: ::core::option::Option<u8>) {}
        async fn again(&self) {}
    }
}

#[tokio::test]
async fn a_service_needs_no_prelude() {
    use no_prelude::{Bare as _, BareClient, Nothing};
    let client = BareClient::new(Local::new(Nothing.into_service(), Json));
    assert_eq!(client.bytes(vec![1]).await.unwrap(), [1]);
    assert_eq!(client.block(2).await.unwrap(), 2);
    assert_eq!(client.fail().await.unwrap(), 1);
}

/// Values that threads cannot share, but can pass on.
mod unshared {
    use std::cell::Cell;

    use isolated_workers::service;

    #[service]
    pub(crate) trait Cells {
        async fn cell(&self, value: Cell<u8>) -> Cell<u8>;
        #[message(blocking)]
        fn block(&self, value: Cell<u8>) -> Cell<u8>;
    }

    pub(crate) struct Passing;

    impl Cells for Passing {
        async fn cell(&self, value: Cell<u8>) -> Cell<u8> {
            tokio::task::yield_now().await;
            value
        }
        fn block(&self, value: Cell<u8>) -> Cell<u8> {
            value
        }
    }
}

#[tokio::test]
async fn a_message_need_not_be_sync() {
    use unshared::{Cells as _, CellsClient, Passing};
    let client = CellsClient::new(Local::new(Passing.into_service(), Json));
    assert_eq!(tokio::spawn(async move { client.cell(3.into()).await }).await.unwrap().unwrap().get(), 3);
    let client = CellsClient::new(Local::new(Passing.into_service(), Json));
    assert_eq!(client.block(4.into()).await.unwrap().get(), 4);
}
