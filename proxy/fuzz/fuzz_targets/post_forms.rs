//! Fuzzes what stands in a form before its file: `proxy/src/s3/fuzz.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Err(broken) = zas_proxy::s3::fuzz::check("post_forms", input) {
        panic!("{broken}");
    }
});
