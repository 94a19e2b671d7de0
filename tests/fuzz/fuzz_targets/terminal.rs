//! Takes bytes as text of somebody else that is to be shown. Whatever it holds, what is printed
//! neither acts on a terminal nor hides in it, and a word for a shell is one word.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    keybackup_tests::fuzz::terminal::run(data);
});
