//! `Range` requests for one span of bytes (RFC 9110 section 14).

use std::ops::Range;

/// What a `Range` header asks for, of something `length` bytes long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Span {
    /// The whole: no range, another unit, several ranges, or nonsense, all of which RFC 9110
    /// section 14.2 lets a server ignore.
    Whole,
    /// These bytes.
    Part(Range<u64>),
    /// Nothing that there is.
    Unsatisfiable,
}

impl Span {
    /// Reads the header's value.
    pub(crate) fn parse(value: &str, length: u64) -> Self {
        let Some(set) = value.strip_prefix("bytes=") else { return Self::Whole };
        let Some((first, last)) = set.trim().split_once('-') else { return Self::Whole };
        match (number(first), number(last)) {
            (Number::Absent, Number::Is(suffix)) => Self::of(length.saturating_sub(suffix)..length),
            (Number::Is(first), Number::Absent) => Self::of(first..length),
            (Number::Is(first), Number::Is(last)) if first <= last => {
                Self::of(first..length.min(last.saturating_add(1)))
            }
            _ => Self::Whole,
        }
    }

    fn of(range: Range<u64>) -> Self {
        if range.start < range.end { Self::Part(range) } else { Self::Unsatisfiable }
    }
}

enum Number {
    Absent,
    Is(u64),
    Nonsense,
}

/// A number beyond u64 is as far as one can go.
fn number(text: &str) -> Number {
    if text.is_empty() {
        Number::Absent
    } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
        Number::Is(text.parse().unwrap_or(u64::MAX))
    } else {
        Number::Nonsense
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_span_is_served_and_the_rest_ignored() {
        for (value, span) in [
            ("bytes=0-9", Span::Part(0..10)),
            ("bytes=90-", Span::Part(90..100)),
            ("bytes=-10", Span::Part(90..100)),
            ("bytes=-1000", Span::Part(0..100)),
            ("bytes=99-99", Span::Part(99..100)),
            ("bytes=0-18446744073709551615", Span::Part(0..100)),
            ("bytes=50-99999999999999999999999", Span::Part(50..100)),
            ("bytes=100-", Span::Unsatisfiable),
            ("bytes=100-200", Span::Unsatisfiable),
            ("bytes=-0", Span::Unsatisfiable),
            ("bytes=9-0", Span::Whole),
            ("bytes=0-1,3-4", Span::Whole),
            ("bytes=-", Span::Whole),
            ("bytes=", Span::Whole),
            ("bytes=a-b", Span::Whole),
            ("bytes=+1-2", Span::Whole),
            ("lines=0-9", Span::Whole),
        ] {
            assert_eq!(Span::parse(value, 100), span, "{value}");
        }
        assert_eq!(Span::parse("bytes=0-", 0), Span::Unsatisfiable);
    }
}
