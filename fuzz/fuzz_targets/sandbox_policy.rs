#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| isolated_workers_runtime::sandbox::check_policy_text(text));
