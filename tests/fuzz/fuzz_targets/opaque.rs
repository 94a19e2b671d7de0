//! Takes bytes as OPAQUE messages, as they are and as changes to those of a sound registration and
//! login, with a key stretching that costs nothing. Both sides refuse what is malformed; a login
//! whose messages or record were changed on the way is refused by the client, and one whose KE3 was
//! changed by the server.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    keybackup_tests::fuzz::opaque::run(data);
});
