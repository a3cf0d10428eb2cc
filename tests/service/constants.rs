//! Services beside constants, statics and unit structs that are named like variables. A variable of
//! the same name would be a pattern that matches only that constant.
#![allow(non_upper_case_globals, non_camel_case_types, dead_code)]

use isolated_workers::codec::{Cbor, Json, Postcard};
use isolated_workers::service;
use isolated_workers::service::{Context, Local};

/// Names of variables in generated code.
macro_rules! taken {
    ($($name:ident)*) => {$(
        const $name: u8 = 1;
    )*};
}

mod consts {
    use super::*;

    taken! { message values serializer deserializer fields codec request service answer context run error }
    taken! { data this value name result reply future state argument0 a b }

    #[service(derive(Debug))]
    pub(super) trait Constants {
        async fn add(&self, x: u8, y: u8) -> u8;
        async fn bytes(&self, bytes: Vec<u8>, rest: bytes::Bytes) -> Vec<u8>;
        async fn fail(&self, text: String) -> Result<u8, String>;
        async fn attempt(&self, context: Context, x: u8) -> u32;
        async fn attempt_or(&self, context: Context, x: u8) -> Result<u32, String>;
        #[message(blocking)]
        fn block(&self, x: u8) -> u8;
        #[message(blocking)]
        fn block_in(&self, context: Context, x: u8) -> Result<u8, String>;
        #[message(oneway)]
        async fn note(&self);
        async fn with(&self, #[serde(default)] x: u8) -> u8;
    }
}

mod statics {
    use super::*;

    static message: u8 = 1;
    static values: u8 = 1;
    static serializer: u8 = 1;
    static codec: u8 = 1;
    static service_: u8 = 1;
    struct request;
    struct deserializer;
    struct fields;
    #[derive(Clone, Copy)]
    enum Names {
        service,
        answer,
        context,
    }
    #[allow(unused_imports)]
    use Names::*;

    #[service]
    pub(super) trait Statics {
        async fn add(&self, x: u8, y: u8) -> u8;
        #[message(blocking)]
        fn block(&self, context: Context, x: u8) -> Result<u8, String>;
    }
}

use consts::{Constants, ConstantsClient};
use statics::{Statics, StaticsClient};

struct Numbers;

impl Constants for Numbers {
    async fn add(&self, x: u8, y: u8) -> u8 {
        x + y
    }
    async fn bytes(&self, bytes: Vec<u8>, rest: bytes::Bytes) -> Vec<u8> {
        [bytes, rest.to_vec()].concat()
    }
    async fn fail(&self, text: String) -> Result<u8, String> {
        Err(text)
    }
    async fn attempt(&self, context: Context, x: u8) -> u32 {
        context.attempt() + u32::from(x)
    }
    async fn attempt_or(&self, context: Context, x: u8) -> Result<u32, String> {
        if x == 0 { Ok(context.attempt()) } else { Err(x.to_string()) }
    }
    fn block(&self, x: u8) -> u8 {
        x
    }
    fn block_in(&self, _: Context, x: u8) -> Result<u8, String> {
        Ok(x)
    }
    async fn note(&self) {}
    async fn with(&self, x: u8) -> u8 {
        x
    }
}

impl Statics for Numbers {
    async fn add(&self, x: u8, y: u8) -> u8 {
        x + y
    }
    fn block(&self, context: Context, x: u8) -> Result<u8, String> {
        Ok(x + u8::try_from(context.attempt()).unwrap())
    }
}

macro_rules! calls_arrive {
    ($codec:expr) => {
        let client = ConstantsClient::new(Local::new(Constants::into_service(Numbers), $codec));
        assert_eq!(client.add(2, 3).await.unwrap(), 5);
        assert_eq!(client.bytes(vec![1], vec![2].into()).await.unwrap(), [1, 2]);
        assert_eq!(client.fail("no".into()).await.unwrap_err().service().unwrap(), "no");
        assert_eq!(client.attempt(2).await.unwrap(), 3);
        assert_eq!(client.attempt_or(0).await.unwrap(), 1);
        assert_eq!(client.block(4).await.unwrap(), 4);
        assert_eq!(client.block_in(5).await.unwrap(), 5);
        client.note().await.unwrap();
        assert_eq!(client.with(6).await.unwrap(), 6);
        let client = StaticsClient::new(Local::new(Statics::into_service(Numbers), $codec));
        assert_eq!(client.add(2, 3).await.unwrap(), 5);
        assert_eq!(client.block(4).await.unwrap(), 5);
    };
}

#[tokio::test]
async fn constants_in_scope_may_have_the_names_of_variables() {
    calls_arrive!(Json);
    calls_arrive!(Cbor);
    calls_arrive!(Postcard);
}
