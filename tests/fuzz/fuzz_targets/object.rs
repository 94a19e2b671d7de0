//! Takes bytes as a sealed object, as a plaintext under a right seal, or as changes to a sound
//! object. An object that opens is the one and only sealing of its JSON under its nonce, its
//! plaintext is padded as FORMAT.md section 4 says, and it opens nowhere else. The JSON goes to its
//! record: slots, keyrings and device records are parsed here.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    keybackup_tests::fuzz::object::run(data);
});
