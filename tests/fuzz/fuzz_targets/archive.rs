//! Takes bytes as a zip: of ours, of somebody else, or its parts put into the headers of one. What
//! the audit takes unpacks to exactly what it said, or leaves nothing; no file lies outside of the
//! place for it; and the same tree comes out of every way that reads or rewrites the zip.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    keybackup_tests::fuzz::archive::run(data);
});
