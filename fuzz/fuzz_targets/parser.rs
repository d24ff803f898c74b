#![no_main]

#[expect(dead_code, reason = "each target checks one of the properties")]
#[path = "../properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    properties::parser(bytes);
});
