#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| isolated_workers_fuzz::framing::check(
    &isolated_workers::codec::Json,
    data
));
