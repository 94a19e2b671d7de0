//! Spans of time as people write them: `30s`, `10m`, `12h`, `7d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Longest span: a hundred years, so that adding one to a time can't overflow.
const MAX_SECONDS: u32 = 100 * 365 * 86_400;

/// A span of time of at least a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    seconds: u32,
}

/// A text that is no [`Period`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time is a number and a unit, such as 30s, 10m, 12h or 7d")]
pub struct PeriodError;

impl Period {
    /// In seconds.
    pub fn seconds(self) -> i64 {
        i64::from(self.seconds)
    }

    /// As the standard library has it.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.seconds as u64)
    }
}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(text: &str) -> Result<Self, PeriodError> {
        let (digits, unit) =
            text.split_at_checked(text.len().saturating_sub(1)).ok_or(PeriodError)?;
        let factor = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => return Err(PeriodError),
        };
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(PeriodError);
        }
        let count: u32 = digits.parse().map_err(|_| PeriodError)?;
        let seconds = count.checked_mul(factor).ok_or(PeriodError)?;
        if (1..=MAX_SECONDS).contains(&seconds) { Ok(Self { seconds }) } else { Err(PeriodError) }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.seconds)
    }
}

impl<'de> serde::Deserialize<'de> for Period {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_a_unit() {
        for (text, seconds) in
            [("1s", 1), ("10m", 600), ("12h", 43_200), ("7d", 604_800), ("36500d", 3_153_600_000)]
        {
            assert_eq!(text.parse::<Period>().map(Period::seconds), Ok(seconds), "{text}");
        }
        for bad in
            ["", "s", "7", "0s", "-1s", "+1s", "1.5h", "1w", "7 d", "36501d", "7é", "99999999999s"]
        {
            assert_eq!(bad.parse::<Period>(), Err(PeriodError), "{bad}");
        }
    }
}
