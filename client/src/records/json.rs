//! JSON in and out of buffers that are wiped, and errors that say nothing of the content.

use std::io;

use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use super::{RecordError, Rule, WRITER};

/// Serialises into a buffer that is as long as it must be from the start: a secret in it is not
/// left behind in a smaller one.
pub(super) fn encode(value: &impl Serialize) -> Zeroizing<Vec<u8>> {
    struct Count(usize);
    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    const PROOF: &str = "records are maps with text keys, and memory takes what it is given";
    let mut count = Count(0);
    serde_json::to_writer(&mut count, value).expect(PROOF);
    let mut json = Zeroizing::new(Vec::with_capacity(count.0));
    serde_json::to_writer(&mut *json, value).expect(PROOF);
    debug_assert_eq!(json.len(), count.0, "room for all of it, so that it never moved");
    json
}

/// Parses; the error has the place and not the text, which may be secret. All of it must be UTF-8,
/// also where `serde_json` would pass over a field that nobody asks for.
pub(super) fn decode<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, RecordError> {
    let text = std::str::from_utf8(json).map_err(|_| RecordError::Json { line: 0, column: 0 })?;
    serde_json::from_str(text)
        .map_err(|error| RecordError::Json { line: error.line(), column: error.column() })
}

/// For fields that may be null but must be there: serde takes a missing `Option` for `None`, and
/// no authenticity field is optional.
pub(super) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer)
}

/// Refuses to rewrite what only newer programs may.
pub(super) const fn writable(min_writer: u32) -> Result<(), RecordError> {
    if min_writer > WRITER { Err(RecordError::MinWriter { needed: min_writer }) } else { Ok(()) }
}

/// Texts that people read: at most `max_bytes`, no control characters.
pub(super) fn check_text(text: &str, max_bytes: usize) -> Result<(), Rule> {
    if text.len() <= max_bytes && !text.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(Rule::Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Known {
        known: u8,
    }

    #[test]
    fn what_nobody_asks_for_is_utf_8_too() {
        let decoded = |json: &[u8]| decode::<Known>(json).map(|it| it.known);
        assert_eq!(decoded(b"{\"known\":7,\"other\":\"\xc3\xbc\"}").ok(), Some(7));
        for bad in [&b"{\"known\":7,\"other\":\"i\x89\"}"[..], b"{\"known\":7,\"\xff\":1}"] {
            assert!(matches!(decoded(bad), Err(RecordError::Json { .. })));
        }
    }
}
