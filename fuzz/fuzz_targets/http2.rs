#![no_main]

#[path = "../http2.rs"]
mod http2;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // Short: a fuzzer lives by the number of its tries.
    http2::http2(bytes, std::time::Duration::from_millis(20));
});
