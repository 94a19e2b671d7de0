//! Takes bytes as a blob, as changes to a sealed one, or as chunks sealed by hand whose plaintext
//! may break the format. A blob that opens is the one and only sealing of its zip under its salt;
//! whatever a reader hands out is a piece of what was sealed, also from a blob that is damaged.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    keybackup_tests::fuzz::stream::run(data);
});
