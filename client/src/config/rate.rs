//! How fast bytes may move.

use std::str::FromStr;

/// A server ends what is slower than half of that.
const LEAST_BYTES_PER_S: u64 = 32 * 1024;

/// Most bytes a second, at least 32 KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(u64);

/// A text that is no rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a rate is a number of bytes a second, or of K, M or G (1024, 1024², 1024³): 32K or more")]
pub struct RateError;

impl Rate {
    /// Bytes a second.
    pub const fn bytes_per_s(self) -> u64 {
        self.0
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let (digits, shift) = match text.as_bytes().last() {
            Some(b'k' | b'K') => (&text[..text.len() - 1], 10),
            Some(b'm' | b'M') => (&text[..text.len() - 1], 20),
            Some(b'g' | b'G') => (&text[..text.len() - 1], 30),
            _ => (text, 0),
        };
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(RateError);
        }
        let number: u64 = digits.parse().map_err(|_| RateError)?;
        let bytes_per_s = number.checked_mul(1 << shift).ok_or(RateError)?;
        if bytes_per_s < LEAST_BYTES_PER_S { Err(RateError) } else { Ok(Self(bytes_per_s)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_bytes_or_binary_multiples() {
        let rate = |text: &str| text.parse::<Rate>().map(Rate::bytes_per_s).ok();
        for (text, bytes_per_s) in [
            ("32768", 32_768),
            ("32K", 32_768),
            ("500k", 512_000),
            ("2M", 2 << 20),
            ("1g", 1 << 30),
            (" 1M ", 1 << 20),
        ] {
            assert_eq!(rate(text), Some(bytes_per_s), "{text}");
        }
        for text in
            ["", "K", "0", "32767", "31K", "-1M", "+1M", "1.5M", "1MB", "1 M", "99999999999G"]
        {
            assert_eq!(rate(text), None, "{text}");
        }
    }
}
