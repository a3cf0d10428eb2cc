//! Workers that describe themselves, as those of a debug build do.

use crate::support::{example, has, run, run_with};

#[test]
fn a_description_is_a_text_or_the_document() {
    let worker = example("quickstart");
    let ran = run(&["describe", &worker]);
    assert_eq!((ran.code, &*ran.err), (0, ""));
    let (docs, service) = ran.out.split_once("service").unwrap();
    assert!(docs.starts_with("/// The contract, "), "{docs}");
    assert_eq!(service, " Calculator {\n    add(a, b)\n    divide(a, b)\n    crash()\n}\n");
    let ran = run(&["--json", "describe", &worker]);
    let document: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(
        (&document["isolated-workers"], &document["services"][0]["name"]),
        (&1.into(), &"Calculator".into())
    );
}

#[test]
fn a_worker_of_any_codec_describes_itself() {
    for codec in ["cbor", "postcard"] {
        let worker = format!("exec:{} {codec}", example("codec_worker"));
        let ran = run(&["describe", &worker]);
        let text =
            "service Shop {\n    /// Price of an item in cents.\n    price(item, count)\n    close()\n}\n";
        assert_eq!((ran.code, &*ran.out, &*ran.err), (0, text, ""), "{codec}");
        let status: serde_json::Value = serde_json::from_str(&run(&["status", &worker]).out).unwrap();
        assert!(status["uptime_ms"].is_u64(), "{status}");
        let ran = run(&["ping", &worker]);
        assert!(ran.code == 0 && ran.out.ends_with(" µs\n"), "{}{}", ran.out, ran.err);
    }
}

#[test]
fn an_unknown_method_leads_to_those_that_exist() {
    let ran = run(&["call", &example("quickstart"), "divde", "a=1", "b=2"]);
    assert_eq!((ran.code, &*ran.out), (7, ""));
    assert!(ran.err.contains("did you mean `divide`? the worker has add, divide, crash"), "{}", ran.err);
    let ran = run(&["call", &example("quickstart"), "add", "a=1"]);
    assert_eq!((ran.code, &*ran.out), (8, ""));
    assert!(ran.err.contains("check the arguments: add(a, b)"), "{}", ran.err);
}

#[test]
fn the_streams_of_a_method_need_no_option() {
    let lines = "\"a line\"\n\"another\"\n\"the last line\"\n";
    let ran = run_with(&["call", &example("log_tail"), "grep", "word=line"], lines);
    assert_eq!((ran.code, &*ran.out, &*ran.err), (0, "\"a line\"\n\"the last line\"\n", ""));
}

#[test]
fn a_worker_that_does_not_describe_itself_is_an_error() {
    if !has("python3", &["-c", "import sys; sys.exit(sys.version_info < (3, 10))"]) {
        return;
    }
    let ran = run(&["describe", "examples/python_worker.py"]);
    assert_eq!((ran.code, &*ran.out), (7, ""));
    assert!(ran.err.contains("the worker does not describe itself"), "{}", ran.err);
}

#[test]
fn a_service_is_compared_with_a_locked_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("service.json");
    let path = file.to_str().unwrap();
    let worker = example("quickstart");
    let ran = run(&["describe", &worker, "--lock", path]);
    assert_eq!((ran.code, &*ran.out, &*ran.err), (0, "", ""));
    assert_eq!(
        (run(&["describe", &worker, "--check", path]).code, run(&["describe", &worker, "--check", path]).out),
        (0, "same\n".to_owned())
    );

    // The old version had no `crash`, and a `divide` of another shape.
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("\"crash\"", "\"explode\"")).unwrap();
    let ran = run(&["--json", "describe", &worker, "--check", path]);
    let report: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert!([11, 12].contains(&ran.code), "{}: {}", ran.code, ran.out);
    assert!(
        report["differences"].as_array().unwrap().iter().any(|found| found["path"] == "Calculator.explode"),
        "{report}"
    );

    let ran = run(&["describe", &worker, "--check", "/no/such/file"]);
    assert_eq!((ran.code, &*ran.out), (2, ""));
    assert!(ran.err.contains("write it with `--lock`"), "{}", ran.err);
}

#[test]
fn an_openrpc_document_lists_the_methods() {
    let ran = run(&["describe", &example("quickstart"), "--openrpc"]);
    let document: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert!(
        document["openrpc"].is_string() && document["methods"].as_array().unwrap().len() == 3,
        "{document}"
    );
}
