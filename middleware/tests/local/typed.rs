//! Typed access to bodies with any codec, in static and in type-erased stacks.

use isolated_workers_codec::{Codec, Json, Postcard};
use isolated_workers_core::{Error, ErrorKind, Executed, Message, Request, Response};
use isolated_workers_middleware::{
    Local, Middleware, Next, Service, ServiceExt, Validate, for_message, from_fn,
};

use crate::{Add, Calculator, Hang};

fn local<C: Codec>(codec: C) -> Local<Calculator, C> {
    Local::new(Calculator::default(), codec)
}

/// Multiplies the summands by ten, and adds one to the sum.
struct Static;

impl Middleware for Static {
    async fn handle<S: Service>(&self, mut request: Request, next: &S) -> Result<Response, Error> {
        let Add { a, b } = next.decode(&request)?;
        next.replace(&mut request, &Add { a: a * 10, b: b * 10 })?;
        let mut response = next.call(request).await?;
        let sum = next.decode_reply::<Add>(&response)?;
        next.replace_reply::<Add>(&mut response, &(sum + 1))?;
        Ok(response)
    }
}

/// Does the same as [`Static`].
async fn erased(mut request: Request, next: Next<'_>) -> Result<Response, Error> {
    let Add { a, b } = next.decode(&request)?;
    next.replace(&mut request, &Add { a: a * 10, b: b * 10 })?;
    let mut response = next.call(request).await?;
    let sum = next.decode_reply::<Add>(&response)?;
    next.replace_reply::<Add>(&mut response, &(sum + 1))?;
    Ok(response)
}

#[tokio::test]
async fn messages_and_replies_can_be_read_and_replaced() {
    async fn check(codec: impl Codec) {
        let add = || Add { a: 2, b: 3 };
        assert_eq!(local(codec.clone()).wrapped_by(Static).send(add()).await.unwrap(), 51);
        assert_eq!(local(codec.clone()).wrapped_by(from_fn(erased)).send(add()).await.unwrap(), 51);
        assert_eq!(
            local(codec).wrapped_by(from_fn(erased)).wrapped_by(Static).send(add()).await.unwrap(),
            502
        );
    }
    check(Json).await;
    check(Postcard).await;
}

/// Decodes the request as another message.
async fn decodes_another_message(request: Request, next: Next<'_>) -> Result<Response, Error> {
    next.decode::<Hang>(&request)?;
    next.call(request).await
}

#[tokio::test]
async fn a_request_does_not_decode_as_another_message() {
    let error = local(Postcard).wrapped_by(from_fn(decodes_another_message)).send(Add { a: 1, b: 1 }).await;
    let error = error.map_err(Error::from).unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Decode, Executed::No));
    assert!(error.to_string().contains("could not use the request `add` as the message `hang`"), "{error}");
    let request = Request::of::<Add>(Vec::new().into());
    assert_eq!(local(Json).decode::<Hang>(&request).err().unwrap().kind(), ErrorKind::Decode);
}

#[tokio::test]
async fn a_decode_error_names_the_message_and_the_cause() {
    let broken = || Request::of::<Add>(b"{}".to_vec().into());
    for error in [
        local(Json).wrapped_by(Static).call(broken()).await.unwrap_err(),
        local(Json).wrapped_by(from_fn(erased)).call(broken()).await.unwrap_err(),
    ] {
        assert_eq!((error.kind(), error.executed()), (ErrorKind::Decode, Executed::No));
        assert!(error.to_string().contains("could not decode `add`"), "{error}");
        assert!(error.to_string().contains("missing field `a`"), "{error}");
    }
}

#[tokio::test]
async fn hooks_of_a_message_see_only_that_message() {
    let service = local(Postcard).wrapped_by(
        for_message::<Add>()
            .on_request(|add: &mut Add| {
                if add.b == 0 {
                    return Err(Error::new(ErrorKind::Invalid, "nothing to add"));
                }
                add.a = -add.a;
                Ok(())
            })
            .on_reply(|sum: &mut i64| {
                *sum *= 2;
                Ok(())
            }),
    );
    assert_eq!(service.send(Add { a: 2, b: 3 }).await.unwrap(), 2);
    let error = service.send(Add { a: 2, b: 0 }).await.map_err(Error::from).unwrap_err();
    assert_eq!((error.kind(), error.middleware()), (ErrorKind::Invalid, Some("ForMessage")));
    let hang = local(Json)
        .wrapped_by(for_message::<Hang>().on_request(|_: &mut Hang| panic!("called for another message")));
    assert_eq!(hang.send(Add { a: 2, b: 3 }).await.unwrap(), 5);
}

#[tokio::test]
async fn a_validation_error_contains_the_text_of_the_check() {
    let service = local(Json).wrapped_by(Validate::new(|add: &Add| match add.a {
        0.. => Ok(()),
        a => Err(format!("{a} is negative")),
    }));
    assert_eq!(service.send(Add { a: 2, b: 3 }).await.unwrap(), 5);
    let error = service.send(Add { a: -2, b: 3 }).await.map_err(Error::from).unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Invalid, Executed::No));
    let text = format!("in the middleware `Validate`: `{}` is invalid: -2 is negative", Add::NAME);
    assert_eq!(error.to_string(), text);
}
