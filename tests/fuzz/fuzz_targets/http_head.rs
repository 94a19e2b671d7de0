//! Takes bytes as what a connection brings first. A head that the guard takes has one meaning: it
//! is read again here, by RFC 9112's rules, and by the parser that hyper uses, and all agree about
//! its end, its lines, its one `Host`, and the length of its body. How it comes in pieces does not
//! matter.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    keybackup_tests::fuzz::http_head::run(data);
});
