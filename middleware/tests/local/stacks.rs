//! Order of a stack, attribution of errors, and panics.

use std::sync::{Arc, Mutex};

use isolated_workers_core::{Error, ErrorKind, Executed, Request, Response};
use isolated_workers_middleware::{
    Middleware, Next, Service, ServiceExt, from_fn, on_request, on_request_async, on_response,
    on_response_async,
};

use crate::{Add, Panic, local};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    In(usize),
    Out(usize),
    Panic(usize),
}

/// Logs requests and answers, and fails as `fault` says.
struct Mark {
    number: usize,
    fault: Fault,
    log: Arc<Mutex<Vec<String>>>,
}

impl Middleware for Mark {
    async fn handle<S: Service>(&self, request: Request, next: &S) -> Result<Response, Error> {
        let log = |way| self.log.lock().unwrap().push(format!("{way}{}", self.number));
        log('>');
        if self.fault == Fault::In(self.number) {
            return Err(Error::new(ErrorKind::Denied, "no entry"));
        }
        assert_ne!(self.fault, Fault::Panic(self.number), "deliberate");
        let answer = next.call(request).await;
        log('<');
        if self.fault == Fault::Out(self.number) {
            return Err(Error::new(ErrorKind::Middleware, "no exit"));
        }
        answer
    }

    fn name(&self) -> &str {
        ["", "first", "second", "third", "fourth"][self.number]
    }
}

#[tokio::test]
async fn requests_pass_inward_and_answers_outward_whatever_fails() {
    for layers in 0..=4 {
        let faults = (1..=layers).flat_map(|at| [Fault::In(at), Fault::Out(at), Fault::Panic(at)]);
        for fault in faults.chain([Fault::None]) {
            let log = Arc::default();
            let mark = |number| (number <= layers).then(|| Mark { number, fault, log: Arc::clone(&log) });
            // The last layer that wraps a service sees a request first.
            let service =
                local().wrapped_by(mark(4)).wrapped_by(mark(3)).wrapped_by(mark(2)).wrapped_by(mark(1));
            let answer = service.send(Add { a: 2, b: 3 }).await.map_err(Error::from);

            let case = format!("{layers} layers, {fault:?}");
            let deepest = match fault {
                Fault::In(at) | Fault::Panic(at) => at,
                Fault::None | Fault::Out(_) => layers,
            };
            let refused = matches!(fault, Fault::In(_) | Fault::Panic(_));
            let entered = (1..=deepest).map(|number| format!(">{number}"));
            let left = (1..=deepest - usize::from(refused)).rev().map(|number| format!("<{number}"));
            assert_eq!(*log.lock().unwrap(), entered.chain(left).collect::<Vec<_>>(), "{case}");

            let (kind, text, at) = match fault {
                Fault::None => {
                    assert_eq!(answer.unwrap(), 5, "{case}");
                    continue;
                }
                Fault::In(at) => (ErrorKind::Denied, "no entry", at),
                Fault::Out(at) => (ErrorKind::Middleware, "no exit", at),
                Fault::Panic(at) => (ErrorKind::Panicked, "it panicked: ", at),
            };
            let error = answer.unwrap_err();
            let name = ["first", "second", "third", "fourth"][at - 1];
            assert_eq!((error.kind(), error.middleware()), (kind, Some(name)), "{case}");
            assert!(error.to_string().starts_with(&format!("in the middleware `{name}`: {text}")), "{error}");
        }
    }
}

#[tokio::test]
async fn an_error_of_the_inner_service_names_no_middleware() {
    let pass = from_fn(async |request: Request, next: Next<'_>| next.call(request).await);
    let service = local().wrapped_by(pass).wrapped_by(pass);
    let error = service.send(Panic).await.map_err(Error::from).unwrap_err();
    assert_eq!(error.to_string(), "the handler of `panic` panicked: out of cheese");
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Panicked, Executed::Yes));
}

#[tokio::test]
async fn a_panic_fails_only_its_call() {
    let service = local().wrapped_by(on_request(|request: &mut Request| {
        assert!(!request.metadata().is_empty(), "no metadata");
        Ok(())
    }));
    let error = service.send(Add { a: 1, b: 1 }).await.map_err(Error::from).unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Panicked, Executed::Maybe));
    assert!(error.to_string().contains("no metadata"), "{error}");
    let service = service.wrapped_by(on_request(|request: &mut Request| {
        request.metadata_mut().insert("key", "value");
        Ok(())
    }));
    assert_eq!(service.send(Add { a: 1, b: 1 }).await.unwrap(), 2);
}

async fn refuse(request: Request, _: Next<'_>) -> Result<Response, Error> {
    Err(Error::new(ErrorKind::Denied, format!("not `{}`", request.name())))
}

#[tokio::test]
async fn functions_are_named_after_themselves_or_by_named() {
    let closure =
        from_fn(async |_: Request, _: Next<'_>| Err::<Response, _>(Error::new(ErrorKind::Denied, "no")));
    let text = |error: Error| error.to_string();
    let default = local().wrapped_by(from_fn(refuse)).send(Add { a: 1, b: 1 }).await.map_err(Error::from);
    assert_eq!(text(default.unwrap_err()), "in the middleware `refuse`: not `add`");
    let named = local().wrapped_by(closure.named("door")).send(Add { a: 1, b: 1 }).await.map_err(Error::from);
    assert_eq!(text(named.unwrap_err()), "in the middleware `door`: no");
    let enclosing = local().wrapped_by(closure).send(Add { a: 1, b: 1 }).await.map_err(Error::from);
    let enclosing = enclosing.unwrap_err();
    assert!(
        enclosing.middleware().unwrap().starts_with("functions_are_named_after_themselves"),
        "{enclosing}"
    );
}

#[tokio::test]
async fn each_hook_sees_one_direction() {
    let service = local()
        .wrapped_by(on_request_async(async |mut request: Request| {
            request.metadata_mut().insert("first", "in");
            Ok(request)
        }))
        .wrapped_by(on_response(|message: &str, answer: &mut Result<Response, Error>| {
            let response = answer.as_mut().expect("an answer");
            response.metadata_mut().insert("message", message);
        }))
        .wrapped_by(on_response_async(async |name, answer: Result<Response, Error>| {
            let mut response = answer?;
            response.metadata_mut().insert("name", name.as_str());
            Ok(response)
        }));
    let request = Request::of::<Add>(br#"{"a":2,"b":3}"#.to_vec().into());
    let response = service.call(request).await.unwrap();
    let seen: Vec<_> = response.metadata().iter().collect();
    assert_eq!(seen, [("message", "add"), ("name", "add")]);
}

#[tokio::test]
async fn a_response_hook_can_replace_an_error_by_a_reply() {
    let service = local().wrapped_by(on_response(|_: &str, answer: &mut Result<Response, Error>| {
        if answer.is_err() {
            *answer = Ok(Response::new(b"null".to_vec().into()));
        }
    }));
    service.send(Panic).await.unwrap();
}

#[tokio::test]
async fn pointers_to_middleware_are_middleware() {
    static ENTRY: std::sync::LazyLock<Denied> = std::sync::LazyLock::new(|| Denied);
    let add = || Add { a: 1, b: 1 };
    for error in [
        local().wrapped_by(Arc::new(Denied)).send(add()).await,
        local().wrapped_by(Box::new(Denied)).send(add()).await,
        local().wrapped_by(&*ENTRY).send(add()).await,
        local().wrapped_by(Some(Denied)).send(add()).await,
    ] {
        assert_eq!(error.map_err(Error::from).unwrap_err().middleware(), Some("Denied"));
    }
    assert_eq!(local().wrapped_by(None::<Denied>).send(add()).await.unwrap(), 2);
}

struct Denied;

impl Middleware for Denied {
    async fn handle<S: Service>(&self, _: Request, _: &S) -> Result<Response, Error> {
        Err(Error::new(ErrorKind::Denied, "no"))
    }
}
