//! Takes bytes as a blob's header, and as the head of a sealed object. What parses, and only what
//! FORMAT.md sections 4 and 5 allow does, comes back byte for byte.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    keybackup_tests::fuzz::header::run(data);
});
