//! No name in a service conflicts with the generated code.

use isolated_workers::{Message, Service};

use crate::everywhere;
use crate::services::names::{self as n, Names, NamesClient};

everywhere!(NamesClient, "names", n::Echo.into_service(), [types, methods, arguments]);

async fn types<S: Service>(client: NamesClient<S>) {
    assert_eq!(*client.result(n::Result(1)).await.unwrap(), n::Result(1));
    assert_eq!(client.option(n::Option(2)).await.unwrap(), n::Option(2));
    assert_eq!(client.string(n::String(3)).await.unwrap(), n::String(3));
    assert_eq!(client.ask(n::Request(4)).await.unwrap(), n::Request(4));
    assert_eq!(client.response(n::Response(5)).await.unwrap(), n::Response(5));
    assert_eq!(client.error(n::Error(6)).await.unwrap_err().service().unwrap(), n::Error(6));
    assert_eq!(client.message(n::Message(7)).await.unwrap(), n::Message(7));
    assert_eq!(client.handler(n::Handler(8)).await.unwrap(), n::Handler(8));
    assert_eq!(client.codec(n::Codec(9)).await.unwrap(), n::Codec(9));
    let (schema, service) = (n::Schema(10), n::Service(11));
    assert_eq!(client.schema(schema.clone(), service.clone()).await.unwrap(), (schema, service));
    assert_eq!(client.never(n::Never(12)).await.unwrap(), [n::Never(12)]);
    let (future, send, sync) = (n::Future(13), n::Send(14), n::Sync(15));
    assert_eq!(
        client.future(future.clone(), send.clone(), sync.clone()).await.unwrap(),
        (future, send, sync)
    );
    assert_eq!(client.add(n::Add(16)).await.unwrap(), n::Add(16));
    let letters = (n::S(17), n::T(18), n::C(19), n::M(20), n::F(21));
    let (s, t, c, m, f) = letters.clone();
    assert_eq!(client.letters(s, t, c, m, f).await.unwrap(), letters);
    assert_eq!(client.metadata(n::Metadata(22)).await.unwrap(), n::Metadata(22));
    assert_eq!(client.names_error().await.unwrap_err().service().unwrap(), n::NamesError(1));
    assert_eq!(client.some(n::Some(23)).await.unwrap(), n::Some(23));
    assert_eq!(client.ok().await.unwrap(), n::Ok(2));
    assert_eq!(client.err().await.unwrap_err().service().unwrap(), n::Error(3));
    let (debug, clone) = (n::Debug(24), n::Clone(25));
    assert_eq!(client.debug(debug.clone(), clone.clone()).await.unwrap(), (debug, clone));
    assert_eq!(client.super_(n::Super(26)).await.unwrap(), n::Super(26));
}

async fn methods<S: Service>(client: NamesClient<S>) {
    assert_eq!(client.none().await.unwrap(), 1);
    assert_eq!(client.clone().await.unwrap(), 4);
    assert_eq!(client.fmt().await.unwrap(), 5);
    assert_eq!(client.default().await.unwrap(), 6);
    assert_eq!(client.serialize().await.unwrap(), 7);
    assert_eq!(client.deserialize(70).await.unwrap(), 70);
    assert_eq!(client.send(71).await.unwrap(), 71);
    assert_eq!(client.call(72).await.unwrap(), 72);
    assert_eq!(client.handle().await.unwrap(), 8);
    assert_eq!(client.name().await.unwrap(), 9);
    assert_eq!(client.decode(73).await.unwrap(), 73);
    assert_eq!(client.respond().await.unwrap(), 10);
    assert_eq!(client.shadowed().await.unwrap(), 11);
    assert_eq!(client.self_().await.unwrap(), 12);
    assert_eq!(client.r#type(74).await.unwrap(), 74);
    assert_eq!(client.r#match(1, 2, 3, 4).await.unwrap(), 10);
    assert_eq!(client.r#try(75).await.unwrap(), 75);
}

async fn arguments<S: Service>(client: NamesClient<S>) {
    let sent: [u8; 17] = std::array::from_fn(|index| index as u8);
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q] = sent;
    let arrived = client.arguments(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q).await.unwrap();
    assert_eq!(arrived, sent);
}

#[test]
fn raw_identifiers_have_no_prefix_on_the_wire() {
    assert_eq!(n::names::Type::NAME, "type");
    let message = n::names::Match { r#match: 1, r#fn: 2, r#async: 3, r#gen: 4 };
    let json = serde_json::to_string(&message).unwrap();
    assert_eq!(json, r#"{"match":1,"fn":2,"async":3,"gen":4}"#);
    assert_eq!(format!("{message:?}"), "Match { match: 1, fn: 2, async: 3, gen: 4 }");
}
