//! Workers that say what they can do and what they are doing.

mod pairs;
mod random_value;
mod services;

use isolated_workers::codec::{Cbor, Codec, Json, Postcard};
use isolated_workers::describe::{self, Compatibility, Description};
use isolated_workers::driver::Thread;
use isolated_workers::error::Executed;
use isolated_workers::layer::Auth;
use isolated_workers::prelude::*;
use isolated_workers::service::Router;
use isolated_workers_test_support::{assert_error, soon};
use serde_json::{Value, json};
use services::{
    Calculator, CalculatorClient, CalculatorService, MyCalculator, MyPlain, Page, Plain, PlainClient,
    PlainService,
};

fn thread<C: Codec>(codec: C) -> Thread {
    Thread::new(move || {
        let router = Router::new().add(MyCalculator.into_service()).add(MyPlain.into_service());
        serve(router).codec(codec.clone()).describe(true).into_future()
    })
}

async fn described<C: Codec>(codec: C) -> Description {
    let builder = Worker::builder(thread(codec.clone())).codec(codec);
    let worker = soon(builder.spawn()).await.unwrap();
    let description = soon(worker.describe()).await.unwrap();
    soon(worker.close()).await.unwrap();
    description
}

fn method<'a>(document: &'a Value, name: &str) -> &'a Value {
    let methods = document["services"][0]["methods"].as_array().unwrap();
    methods.iter().find(|method| method["name"] == name).unwrap()
}

#[tokio::test]
async fn a_description_is_the_same_with_every_codec() {
    let json = described(Json).await;
    assert_eq!(json.codecs, ["json"]);
    for (mut other, codec) in [(described(Postcard).await, "postcard"), (described(Cbor).await, "cbor")] {
        assert_eq!(other.codecs, [codec]);
        other.codecs.clone_from(&json.codecs);
        assert_eq!(other, json);
    }
}

#[tokio::test]
async fn a_description_names_methods_documentation_and_flags() {
    let document = serde_json::to_value(described(Postcard).await).unwrap();
    assert_eq!(document["isolated-workers"], 1);
    assert_eq!(document["pid"], std::process::id());
    assert_eq!(document["features"], json!(["describe"]));
    assert_eq!(document["limits"], json!({"frame_bytes": 8 << 20, "metadata_bytes": 64 << 10}));
    let [calculator, plain] = &document["services"].as_array().unwrap()[..] else { panic!() };
    assert_eq!(
        (&calculator["name"], &calculator["docs"]),
        (&json!("Calculator"), &json!("Computes.\n\nIn a worker."))
    );
    let fingerprint = format!("{:016x}", services::calculator::SCHEMA.fingerprint());
    assert_eq!(calculator["fingerprint"], fingerprint);

    let add = method(&document, "add");
    let integer = json!({"type": "integer", "format": "int64"});
    let optional = json!({"type": ["integer", "null"], "format": "int64"});
    assert_eq!(add["docs"], "Adds two numbers.");
    assert_eq!(
        add["arguments"],
        json!([
            {"name": "a", "schema": integer, "required": true},
            {"name": "b", "schema": optional, "required": false},
        ])
    );
    assert_eq!((&add["reply"], &add["error"]), (&integer, &Value::Null));
    assert_eq!((&add["idempotent"], &add["timeout_ms"]), (&json!(true), &json!(1500)));
    assert_eq!(method(&document, "log")["oneway"], true);
    let compute = method(&document, "compute");
    assert_eq!((&compute["blocking"], &compute["arguments"][0]["required"]), (&json!(true), &json!(false)));
    let count = method(&document, "count");
    assert_eq!((&count["streams"], &count["items"]["format"]), (&json!(true), &json!("uint32")));
    assert_eq!(count["error"]["$ref"], "#/$defs/Refusal");
    let sum = method(&document, "sum");
    assert_eq!(
        (&sum["takes"]["name"], &sum["takes"]["schema"]["format"]),
        (&json!("numbers"), &json!("uint32"))
    );

    assert_eq!(plain["methods"][0]["name"], "say");
    let words = json!([{"name": "words", "schema": null, "required": true}]);
    assert_eq!((&plain["methods"][0]["arguments"], &plain["methods"][0]["reply"]), (&words, &Value::Null));
    assert_eq!(
        (&plain["methods"][1]["streams"], &plain["methods"][1]["items"]),
        (&json!(true), &Value::Null)
    );
}

#[tokio::test]
async fn a_type_that_is_read_and_written_differently_has_two_definitions() {
    let document = serde_json::to_value(described(Json).await).unwrap();
    let check = method(&document, "check");
    assert_eq!(check["arguments"][0]["schema"]["$ref"], "#/$defs/Page");
    assert_eq!(check["reply"]["$ref"], "#/$defs/Page.written");
    assert_eq!(document["$defs"]["Page"]["required"], json!(["number"]));
    assert_eq!(document["$defs"]["Page.written"]["required"], json!(["number", "text", "next"]));
    // The recursion leads to the same direction.
    let next = |name: &str| document["$defs"][name]["properties"]["next"].to_string();
    assert!(next("Page").contains("#/$defs/Page\""), "{}", next("Page"));
    assert!(next("Page.written").contains("#/$defs/Page.written\""), "{}", next("Page.written"));
    assert!(document["$defs"].get("Refusal.written").is_none());
}

#[tokio::test]
async fn a_status_counts_calls_by_method() {
    let worker = soon(Worker::builder(thread(Postcard)).codec(Postcard).spawn()).await.unwrap();
    let (calculator, plain) = (CalculatorClient::new(worker.clone()), PlainClient::new(worker.clone()));
    for _ in 0..3 {
        assert_eq!(soon(calculator.add(1, Some(2))).await.unwrap(), 3);
    }
    let page = Page { number: 1, text: String::new(), next: None };
    soon(calculator.check(page)).await.unwrap_err();
    assert_eq!(soon(plain.tell(vec!["a".into(), "b".into()])).await.unwrap(), "a b");
    let mut items = calculator.count(1_000_000);
    soon(items.next()).await.unwrap().unwrap();

    let status = soon(describe::status(&worker)).await.unwrap();
    assert_eq!(serde_json::to_value(&status.in_flight).unwrap(), json!({"count": 1}));
    assert_eq!(serde_json::to_value(&status.done).unwrap(), json!({"Plain.say": 1, "add": 3, "count": 1}));
    assert_eq!(serde_json::to_value(&status.errors).unwrap(), json!({"check": 1}));
    assert!(status.last_error.unwrap().contains("Empty"));
    let latency = status.latency_us["add"];
    assert!(latency.p50 <= latency.p99, "{latency:?}");
    assert_eq!(status.resident_bytes.is_some(), cfg!(target_os = "linux"));
    soon(describe::ping(&worker)).await.unwrap();
    drop(items);
    soon(worker.close()).await.unwrap();
}

#[tokio::test]
async fn a_pool_describes_its_workers() {
    let pool = Pool::builder(thread(Json)).workers(2).spawn().await.unwrap();
    let description = soon(pool.describe()).await.unwrap();
    assert_eq!(description.service("Plain").unwrap().method("say").unwrap().name, "say");
    soon(pool.close()).await.unwrap();
}

#[tokio::test]
async fn a_worker_that_does_not_describe_itself_refuses_on_the_side_of_the_host() {
    let thread = Thread::new(|| serve(MyPlain.into_service()).describe(false).into_future());
    let worker = soon(Worker::builder(thread).spawn()).await.unwrap();
    let error = soon(worker.describe()).await.unwrap_err();
    assert_eq!((error.kind(), error.executed()), (ErrorKind::Unsupported, Executed::No));
    assert!(error.to_string().contains("call `serve(..).describe(true)`"), "{error}");
    soon(worker.close()).await.unwrap();
}

#[tokio::test]
async fn a_question_passes_the_layers_of_the_worker() {
    let thread =
        Thread::new(|| serve(MyPlain.into_service()).describe(true).layer(Auth::new("secret")).into_future());
    let worker = soon(Worker::builder(thread).spawn()).await.unwrap();
    assert_error(&soon(worker.describe()).await.unwrap_err(), ErrorKind::Denied, &["token"]);
    let known = worker.wrapped_by(Auth::new("secret"));
    assert_eq!(soon(describe::describe(&known)).await.unwrap().services[0].name, "Plain");
}

#[test]
fn a_comparison_names_what_differs() {
    let old = Description::of::<CalculatorService<MyCalculator>>();
    let mut new = old.clone();
    let methods = &mut new.services[0].methods;
    methods[0].arguments[1].schema = Some(json!({"type": ["string", "null"]}));
    methods[2].oneway = false;
    methods.pop();
    let found = Description::compare(&old, &new, "json");
    assert_eq!(
        found.to_string(),
        "breaking: `Calculator.add.b`: the types differ\n\
         breaking: `Calculator.log`: the method is oneway, and then is not\n\
         one-way: `Calculator.sum`: the method was removed, so an old host cannot call a new worker"
    );
    assert_eq!(found.class(), Compatibility::Breaking);
    let grown = Description::compare(&new, &new, "postcard");
    assert_eq!(grown.class(), Compatibility::Breaking, "an enum with an unknown order: {grown}");
}

#[test]
fn a_method_without_schemas_is_compared_by_the_text_of_its_types() {
    let old = Description::of::<PlainService<MyPlain>>();
    assert_eq!(Description::compare(&old, &old, "postcard").class(), Compatibility::Same);
    let mut new = old.clone();
    new.services[0].methods[0].hash = "0".to_owned();
    let found = Description::compare(&old, &new, "json");
    assert!(found.to_string().contains("`Plain.say`: the definitions differ"), "{found}");
}

#[test]
fn a_description_is_an_open_rpc_document() {
    let document = Description::of::<CalculatorService<MyCalculator>>().to_open_rpc();
    assert_eq!((&document["openrpc"], &document["info"]["title"]), (&json!("1.3.2"), &json!("Calculator")));
    let check = &document["methods"][1];
    assert_eq!(check["name"], "check");
    let page = json!([{"name": "page", "required": true, "schema": {"$ref": "#/components/schemas/Page"}}]);
    assert_eq!(check["params"], page);
    assert_eq!(check["x-iw-error"]["$ref"], "#/components/schemas/Refusal");
    assert!(document["components"]["schemas"]["Page.written"].is_object());
    assert!(document["methods"][2].get("result").is_none(), "a oneway message has no result");
}

#[test]
fn a_committed_description_is_compared_with_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("service.json");
    let plain = Description::of::<PlainService<MyPlain>>();
    let missing = plain.check_lock(&file, "json").unwrap_err();
    assert_error(
        &missing,
        ErrorKind::Config,
        &["could not read", "set ISOLATED_WORKERS_LOCK=write for one run"],
    );
    plain.write_lock(&file).unwrap();
    plain.check_lock(&file, "json").unwrap();

    let mut changed = plain.clone();
    changed.services[0].methods.pop();
    let refused = changed.check_lock(&file, "json").unwrap_err();
    let named = "one-way: `Plain.count`: the method was removed, so an old host cannot call a new worker";
    assert_error(&refused, ErrorKind::Invalid, &[named, "set ISOLATED_WORKERS_LOCK=write"]);
}
