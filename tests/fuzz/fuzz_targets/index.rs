//! Takes bytes as an index's JSON under a right seal. What opens as an index keeps every rule of
//! FORMAT.md section 6.3, and seals again to the same index, fields that nobody knows included;
//! merged with itself it stays as it is.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    keybackup_tests::fuzz::index::run(data);
});
