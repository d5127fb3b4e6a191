//! Fuzzes the policies of forms: `proxy/src/s3/fuzz.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Err(broken) = zas_proxy::s3::fuzz::check("post_policies", input) {
        panic!("{broken}");
    }
});
