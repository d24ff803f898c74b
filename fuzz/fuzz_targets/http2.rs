#![no_main]

#[path = "../http2.rs"]
mod http2;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    http2::http2(bytes);
});
