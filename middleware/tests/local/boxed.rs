//! Type-erased middleware and services.

use isolated_workers_codec::{Json, Postcard};
use isolated_workers_core::{Error, ErrorKind, Executed, Request};
use isolated_workers_middleware::{
    BoxMiddleware, BoxService, Local, ServiceExt, SetMetadata, Validate, for_message, on_request,
};

use crate::{Add, Calculator, local};

fn times(factor: i64) -> BoxMiddleware {
    BoxMiddleware::new(for_message::<Add>().on_reply(move |sum: &mut i64| {
        *sum *= factor;
        Ok(())
    }))
}

fn plus(summand: i64) -> BoxMiddleware {
    BoxMiddleware::new(for_message::<Add>().on_reply(move |sum: &mut i64| {
        *sum += summand;
        Ok(())
    }))
}

#[tokio::test]
async fn a_vec_of_boxed_middleware_is_a_stack() {
    // The first element sees the reply last.
    for (stack, expected) in [
        (vec![], 5),
        (vec![times(10)], 50),
        (vec![times(10), plus(1)], 60),
        (vec![plus(1), times(10)], 51),
        (vec![plus(1), times(10), times(10)], 501),
    ] {
        let case = format!("{stack:?}");
        assert_eq!(local().wrapped_by(stack).send(Add { a: 2, b: 3 }).await.unwrap(), expected, "{case}");
    }
}

#[tokio::test]
async fn an_error_names_the_boxed_middleware() {
    let refuses = || Validate::new(|_: &Add| Err("never"));
    let error = local().wrapped_by(BoxMiddleware::<Json>::new(refuses())).send(Add { a: 1, b: 1 }).await;
    assert_eq!(error.map_err(Error::from).unwrap_err().middleware(), Some("Validate"));
    let stack =
        vec![BoxMiddleware::<Json>::new(SetMetadata::new([("a", "b")])), BoxMiddleware::new(refuses())];
    let error = local().wrapped_by(stack).send(Add { a: 1, b: 1 }).await.map_err(Error::from).unwrap_err();
    assert_eq!((error.kind(), error.middleware()), (ErrorKind::Invalid, Some("Validate")));
}

#[tokio::test]
async fn a_panic_names_the_boxed_middleware() {
    let panics = BoxMiddleware::<Json>::new(on_request(|_: &mut Request| panic!("deliberate")));
    let error =
        local().wrapped_by(vec![panics]).send(Add { a: 1, b: 1 }).await.map_err(Error::from).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Panicked);
    assert!(error.middleware().unwrap().starts_with("a_panic_names_the_boxed_middleware"), "{error}");
}

#[tokio::test]
async fn boxed_middleware_rejects_a_service_with_another_codec() {
    let service = Local::new(Calculator::default(), Postcard).wrapped_by(times(2));
    let error = service.send(Add { a: 1, b: 1 }).await.map_err(Error::from).unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Config, Executed::No));
    assert!(error.to_string().contains("the codec json wraps a service with the codec postcard"), "{error}");
    let service = Local::new(Calculator::default(), Postcard).wrapped_by(BoxMiddleware::<Postcard>::new(
        for_message::<Add>().on_reply(|sum: &mut i64| {
            *sum *= 2;
            Ok(())
        }),
    ));
    assert_eq!(service.send(Add { a: 1, b: 1 }).await.unwrap(), 4);
}

#[tokio::test]
async fn boxing_a_service_keeps_its_type() {
    let mut service = BoxService::new(local());
    for _ in 0..3 {
        service = BoxService::new(service.wrapped_by(plus(1)));
    }
    assert_eq!(service.clone().send(Add { a: 1, b: 1 }).await.unwrap(), 5);
}

#[tokio::test]
async fn the_outermost_middleware_sees_a_request_first() {
    let service = local().wrapped_by(times(10)).wrapped_by(plus(1));
    assert_eq!(service.send(Add { a: 2, b: 3 }).await.unwrap(), 51);
}

#[tokio::test]
async fn a_service_with_closures_as_layers_fits_a_struct_field() {
    struct App {
        calculator: BoxService,
    }

    let counted = on_request(|_: &mut Request| Ok(()));
    let app = App { calculator: BoxService::new(local().wrapped_by(counted).wrapped_by(times(2))) };
    assert_eq!(app.calculator.send(Add { a: 2, b: 3 }).await.unwrap(), 10);
}
