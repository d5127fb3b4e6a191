//! Fuzzes the frames of `aws-chunked` bodies: `proxy/src/s3/fuzz.rs`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    if let Err(broken) = zas_proxy::s3::fuzz::check("aws_chunked", input) {
        panic!("{broken}");
    }
});
