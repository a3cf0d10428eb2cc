//! Names of types, methods and arguments that could conflict with generated code.

use std::fmt;

use isolated_workers::service;
use serde::{Deserialize, Serialize};

/// Types named like those of std, of isolated-workers and of the messages of `Names`.
macro_rules! named {
    ($($name:ident)*) => {$(
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        pub(crate) struct $name(pub(crate) u8);
    )*};
}

named! {
    Result Option String Request Response Error Message Handler Service Codec Schema Never Metadata Future Send Sync
    Debug Clone Add S T C M F NamesError Some Ok
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error {}", self.0)
    }
}

/// Types that a `?` or a `Some(..)` in generated code must not resolve to.
#[allow(non_snake_case, dead_code)]
pub(crate) fn Err() {}

#[service(derive(Clone, Debug, PartialEq, Default))]
pub(crate) trait Names {
    async fn result(&self, result: Result) -> Box<Result>;
    async fn option(&self, option: Option) -> Option;
    async fn string(&self, string: String) -> String;
    async fn ask(&self, request: Request) -> Request;
    async fn response(&self, response: Response) -> Response;
    async fn error(&self, error: Error) -> ::std::result::Result<Never, Error>;
    async fn message(&self, message: Message) -> Message;
    async fn handler(&self, handler: Handler) -> Handler;
    async fn codec(&self, codec: Codec) -> Codec;
    async fn schema(&self, schema: Schema, service: Service) -> (Schema, Service);
    async fn never(&self, never: Never) -> Vec<Never>;
    async fn future(&self, future: Future, send: Send, sync: Sync) -> (Future, Send, Sync);
    async fn add(&self, add: self::Add) -> self::Add;
    async fn letters(&self, s: S, t: T, c: C, m: M, f: F) -> (S, T, C, M, F);
    async fn metadata(&self, metadata: super::names::Metadata) -> super::names::Metadata;
    async fn names_error(&self) -> ::core::result::Result<(), NamesError>;

    async fn some(&self, some: Some) -> Some;
    async fn none(&self) -> u8;
    async fn ok(&self) -> ::std::result::Result<Ok, u8>;
    async fn err(&self) -> ::std::result::Result<u8, Error>;

    async fn clone(&self) -> u8;
    async fn fmt(&self) -> u8;
    async fn default(&self) -> u8;
    async fn debug(&self, debug: Debug, clone: Clone) -> (Debug, Clone);
    async fn serialize(&self) -> u8;
    async fn deserialize(&self, deserializer: u8) -> u8;
    async fn send(&self, message: u8) -> u8;
    async fn call(&self, request: u8) -> u8;
    async fn handle(&self) -> u8;
    async fn name(&self) -> u8;
    async fn decode(&self, codec: u8) -> u8;
    async fn respond(&self) -> u8;
    async fn shadowed(&self) -> u8;
    async fn self_(&self) -> u8;
    async fn super_(&self, sup: Super) -> Super;

    async fn r#type(&self, r#type: u8) -> u8;
    async fn r#match(&self, r#match: u8, r#fn: u8, r#async: u8, r#gen: u8) -> u8;
    async fn r#try(&self, r#try: u8) -> u8;

    #[allow(clippy::too_many_arguments)]
    async fn arguments(
        &self,
        self_: u8,
        codec: u8,
        request: u8,
        response: u8,
        message: u8,
        service: u8,
        client: u8,
        handler: u8,
        schema: u8,
        names: u8,
        run: u8,
        name: u8,
        state: u8,
        serializer: u8,
        error: u8,
        _unused: u8,
        __field0: u8,
    ) -> Vec<u8>;
}

/// Declared after the trait that uses it. Generated code must not use this name.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Super(pub(crate) u8);

impl fmt::Display for NamesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names")
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Echo;

impl Names for Echo {
    async fn result(&self, result: Result) -> Box<Result> {
        Box::new(result)
    }
    async fn option(&self, option: Option) -> Option {
        option
    }
    async fn string(&self, string: String) -> String {
        string
    }
    async fn ask(&self, request: Request) -> Request {
        request
    }
    async fn response(&self, response: Response) -> Response {
        response
    }
    async fn error(&self, error: Error) -> ::std::result::Result<Never, Error> {
        ::std::result::Result::Err(error)
    }
    async fn message(&self, message: Message) -> Message {
        message
    }
    async fn handler(&self, handler: Handler) -> Handler {
        handler
    }
    async fn codec(&self, codec: Codec) -> Codec {
        codec
    }
    async fn schema(&self, schema: Schema, service: Service) -> (Schema, Service) {
        (schema, service)
    }
    async fn never(&self, never: Never) -> Vec<Never> {
        vec![never]
    }
    async fn future(&self, future: Future, send: Send, sync: Sync) -> (Future, Send, Sync) {
        (future, send, sync)
    }
    async fn add(&self, add: Add) -> Add {
        add
    }
    async fn letters(&self, s: S, t: T, c: C, m: M, f: F) -> (S, T, C, M, F) {
        (s, t, c, m, f)
    }
    async fn metadata(&self, metadata: Metadata) -> Metadata {
        metadata
    }
    async fn names_error(&self) -> ::core::result::Result<(), NamesError> {
        ::std::result::Result::Err(NamesError(1))
    }

    async fn some(&self, some: Some) -> Some {
        some
    }
    async fn none(&self) -> u8 {
        1
    }
    async fn ok(&self) -> ::std::result::Result<Ok, u8> {
        ::std::result::Result::Ok(Ok(2))
    }
    async fn err(&self) -> ::std::result::Result<u8, Error> {
        ::std::result::Result::Err(Error(3))
    }

    async fn clone(&self) -> u8 {
        4
    }
    async fn fmt(&self) -> u8 {
        5
    }
    async fn default(&self) -> u8 {
        6
    }
    async fn debug(&self, debug: Debug, clone: Clone) -> (Debug, Clone) {
        (debug, clone)
    }
    async fn serialize(&self) -> u8 {
        7
    }
    async fn deserialize(&self, deserializer: u8) -> u8 {
        deserializer
    }
    async fn send(&self, message: u8) -> u8 {
        message
    }
    async fn call(&self, request: u8) -> u8 {
        request
    }
    async fn handle(&self) -> u8 {
        8
    }
    async fn name(&self) -> u8 {
        9
    }
    async fn decode(&self, codec: u8) -> u8 {
        codec
    }
    async fn respond(&self) -> u8 {
        10
    }
    async fn shadowed(&self) -> u8 {
        11
    }
    async fn self_(&self) -> u8 {
        12
    }
    async fn super_(&self, sup: Super) -> Super {
        sup
    }

    async fn r#type(&self, r#type: u8) -> u8 {
        r#type
    }
    async fn r#match(&self, r#match: u8, r#fn: u8, r#async: u8, r#gen: u8) -> u8 {
        r#match + r#fn + r#async + r#gen
    }
    async fn r#try(&self, r#try: u8) -> u8 {
        r#try
    }

    async fn arguments(
        &self,
        self_: u8,
        codec: u8,
        request: u8,
        response: u8,
        message: u8,
        service: u8,
        client: u8,
        handler: u8,
        schema: u8,
        names: u8,
        run: u8,
        name: u8,
        state: u8,
        serializer: u8,
        error: u8,
        _unused: u8,
        __field0: u8,
    ) -> Vec<u8> {
        vec![
            self_, codec, request, response, message, service, client, handler, schema, names, run, name,
            state, serializer, error, _unused, __field0,
        ]
    }
}
