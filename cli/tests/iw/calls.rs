//! `iw call`: arguments, replies and exit codes.

use crate::support::{example, has, root, run, run_with};

#[test]
fn arguments_are_json_pairs_a_file_or_standard_input() {
    let worker = example("calculator_worker");
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, b"{\"a\": 2, \"b\": 3}\n").unwrap();
    let file = format!("@{}", file.path().display());
    for (arguments, input) in [
        (&[r#"{"a": 2, "b": 3}"#][..], ""),
        (&["a=2", "b=3"], ""),
        (&[&file], ""),
        (&["-"], r#"{"b":3,"a":2}"#),
    ] {
        let ran = run_with(&[&["call", &worker, "add"], arguments].concat(), input);
        assert_eq!((ran.code, &*ran.out, &*ran.err), (0, "5\n", ""), "{arguments:?}");
    }
}

#[test]
fn what_a_worker_prints_does_not_mix_with_its_reply() {
    let script = "exec:python3 examples/python_worker.py";
    if !has("python3", &["-c", "import sys; sys.exit(sys.version_info < (3, 10))"]) {
        return;
    }
    let ran = run(&["call", script, "greet", "name=Ada"]);
    assert_eq!((ran.code, &*ran.out), (0, "\"Good evening, Ada.\"\n"), "{}", ran.err);
    // What the worker prints does not mix with its reply.
    assert_eq!(ran.err, "Printing is harmless.\n");
}

#[test]
fn a_script_is_run_by_its_interpreter() {
    if has("python3", &["-c", "import sys; sys.exit(sys.version_info < (3, 10))"]) {
        let ran = run(&["call", "examples/python_worker.py", "squares", "below=4", "--stream"]);
        assert_eq!((ran.code, &*ran.out), (0, "0\n1\n4\n9\n"), "{}", ran.err);
        // This worker does not say that the method streams.
        let ran = run(&["call", "examples/python_worker.py", "squares", "below=4"]);
        assert_eq!((ran.code, &*ran.out), (8, ""));
        assert!(ran.err.contains("`--stream` of `call` and `each` takes it"), "{}", ran.err);
    }
    if has("node", &["--version"]) && root().join("clients/node/dist").is_dir() {
        let ran = run(&["call", "examples/node_worker.mjs", "squares", "below=4", "--stream"]);
        assert_eq!((ran.code, &*ran.out), (0, "0\n1\n4\n9\n"), "{}", ran.err);
        let ran = run(&["call", "examples/node_worker.mjs", "greet", "name=Ada"]);
        assert_eq!((ran.code, &*ran.out), (0, "\"Good evening, Ada.\"\n"), "{}", ran.err);
    }
}

#[test]
fn the_error_of_a_handler_is_exit_code_1() {
    let ran = run(&["call", &example("quickstart"), "divide", "a=1", "b=0"]);
    assert_eq!((ran.code, &*ran.out), (1, ""));
    assert_eq!(ran.err, "error: the handler of `divide` failed: division by zero\n");
}

#[test]
fn an_error_as_json_has_its_value() {
    let ran = run(&["--json", "call", &example("quickstart"), "divide", "a=1", "b=0"]);
    let error: serde_json::Value = serde_json::from_str(&ran.err).unwrap();
    let error = &error["error"];
    assert_eq!(ran.code, 1);
    assert_eq!(
        (&error["kind"], &error["executed"], &error["exit_code"]),
        (&"Remote".into(), &"yes".into(), &1.into())
    );
    assert_eq!(error["value"], "division by zero");
}

#[test]
fn metadata_and_the_name_of_the_service_are_accepted() {
    let worker = example("quickstart");
    let ran = run(&[
        "call",
        &worker,
        "Calculator.add",
        "a=1",
        "b=2",
        "--metadata",
        "tenant=blue",
        "--timeout",
        "5s",
    ]);
    assert_eq!((ran.code, &*ran.out, &*ran.err), (0, "3\n", ""));
}

#[test]
fn a_reader_that_has_enough_ends_the_command_quietly() {
    let script = format!(
        "{} call {} squares below=100000 --stream | head -n 2",
        crate::support::iw().display(),
        "examples/python_worker.py"
    );
    if !has("python3", &["-c", "import sys; sys.exit(sys.version_info < (3, 10))"]) {
        return;
    }
    let ran = std::process::Command::new("sh").args(["-c", &script]).current_dir(root()).output().unwrap();
    assert_eq!(String::from_utf8(ran.stdout).unwrap(), "0\n1\n");
    assert_eq!(String::from_utf8(ran.stderr).unwrap(), "");
}

#[test]
fn the_codec_of_a_worker_is_found_by_itself() {
    let worker = format!("exec:{} cbor", example("codec_worker"));
    let args = ["call", &worker, "price", "item=bread", "count=3"];
    for codec in [&[][..], &["--codec", "cbor"]] {
        let ran = run(&[&args[..], codec].concat());
        assert_eq!((ran.code, &*ran.err), (0, ""), "{}", ran.out);
        let price: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(price, serde_json::json!({ "total": 15, "currency": "EUR" }));
    }
    let ran = run(&[&args[..], &["--codec", "json"]].concat());
    assert_eq!((ran.code, &*ran.out), (4, ""));
    assert!(ran.err.contains("that of the worker is cbor"), "{}", ran.err);
    let worker = format!("exec:{} postcard", example("codec_worker"));
    let ran = run(&["call", &worker, "price", "item=bread", "count=3"]);
    assert_eq!((ran.code, &*ran.out), (8, ""));
    assert!(ran.err.contains("serve the worker with the codec json or cbor"), "{}", ran.err);
}

#[test]
fn startup_data_is_passed() {
    let worker = format!("exec:{} startup", example("codec_worker"));
    let args = ["call", &worker, "price", "item=tea", "count=1"];
    let ran = run(&[&args[..], &["--startup", "\"JPY\""]].concat());
    assert_eq!((ran.code, &*ran.out), (0, "{\"total\":3,\"currency\":\"JPY\"}\n"), "{}", ran.err);
    let ran = run(&args);
    assert_eq!((ran.code, &*ran.out), (3, ""));
    assert!(ran.err.contains("--startup JSON"), "{}", ran.err);
}

#[test]
fn a_method_without_a_reply_prints_nothing() {
    for worker in ["cbor", "startup"] {
        let worker = format!("exec:{} {worker}", example("codec_worker"));
        let ran = run(&["call", &worker, "close", "--startup", "\"EUR\""]);
        assert_eq!((ran.code, &*ran.out, &*ran.err), (0, "", ""), "{worker}");
    }
}
