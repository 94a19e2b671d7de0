//! Takes bytes as a label's JSON under a right seal. What opens as a label keeps every rule of
//! FORMAT.md section 6.4, and seals again to the same label.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    keybackup_tests::fuzz::label::run(data);
});
