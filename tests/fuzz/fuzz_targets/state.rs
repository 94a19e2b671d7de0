//! Takes bytes as what a device keeps: the JSON of its local state under a right seal, a stat
//! cache, or a file of its profile. What is read is written again as the same, and what is damaged
//! is told with a harmless text, or counts as absent.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    keybackup_tests::fuzz::state::run(data);
});
