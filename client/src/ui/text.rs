//! Text for people: untrusted text made harmless, sizes, ages and times.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The text with everything that acts on a terminal, or hides in it, written out as `\u{…}`:
/// controls, escape sequences, bidirectional overrides, line-breaking characters, and what Unicode
/// calls ignorable by default, which draws nothing: zero-width characters, fillers, tags. Only the
/// selectors of a character's form (U+FE00 to U+FE0F) stay: much of what people write needs them,
/// and what they follow is seen.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(acts) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if acts(c) {
            // Writing to a string never fails.
            let _ = write!(escaped, "\\u{{{:x}}}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

/// A number of bytes with at most one digit after the point, rounded down.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // `unit` is the largest with at least one of it in `bytes`; 1 EiB = 2^60 is the last in u64.
    let power = bytes.ilog2() / 10;
    let tenths = u128::from(bytes) * 10 / (1 << (10 * power));
    let unit = UNITS[power as usize - 1];
    if tenths < 100 {
        format!("{}.{} {unit}", tenths / 10, tenths % 10)
    } else {
        format!("{} {unit}", tenths / 10)
    }
}

/// How long ago something was, in the largest unit of which there is one.
pub fn age(seconds: i64) -> String {
    const UNITS: [(i64, &str); 6] = [
        (365 * 86_400, "year"),
        (30 * 86_400, "month"),
        (86_400, "day"),
        (3_600, "hour"),
        (60, "minute"),
        (1, "second"),
    ];
    if seconds < -60 {
        return "in the future".to_owned();
    }
    match UNITS.iter().find(|(unit, _)| seconds >= *unit) {
        None => "just now".to_owned(),
        Some((unit, name)) => {
            let count = seconds / unit;
            let plural = if count == 1 { "" } else { "s" };
            format!("{count} {name}{plural} ago")
        }
    }
}

/// A time of day in UTC, to the minute, like `2025-11-22 12:17 UTC`.
pub fn timestamp(unix_s: i64) -> String {
    let (days, second) = (unix_s.div_euclid(86_400), unix_s.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", second / 3_600, second / 60 % 60)
}

/// Year, month and day of a number of days since 1970-01-01, in the proleptic Gregorian
/// calendar: years are counted from March, so that the leap day is a year's last.
fn civil(days: i64) -> (i64, i64, i64) {
    const DAYS_PER_ERA: i64 = 146_097; // 400 years
    let since = days + 719_468; // from 0000-03-01
    let (era, day_of_era) = (since.div_euclid(DAYS_PER_ERA), since.rem_euclid(DAYS_PER_ERA));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// A number of things: `1 file`, `2 files`.
pub fn count(number: u64, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// `text` as one word of a command to type: quoted where a shell would read more into it, and
/// behind `--` where it looks like an option. Whoever names a persona must not write commands.
pub fn shell_word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._/@%+=:,-".contains(&byte);
    let word = if !text.is_empty() && text.bytes().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", escape(text).replace('\'', r"'\''"))
    };
    if text.starts_with('-') { format!("-- {word}") } else { word }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds rule 21.
    #[test]
    fn a_word_for_a_shell_is_one_word_and_no_option() {
        for (text, word) in [
            ("work", "work"),
            ("a; rm -rf ~", "'a; rm -rf ~'"),
            ("$(id)", "'$(id)'"),
            ("it's", r"'it'\''s'"),
            ("--force", "-- --force"),
            ("-x y", "-- '-x y'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(text), word);
        }
    }

    /// Holds rule 21.
    #[test]
    fn what_acts_on_a_terminal_is_written_out() {
        for (text, escaped) in [
            ("\x1b]0;title\x07", "\\u{1b}]0;title\\u{7}"),
            ("a\r\nb\tc\x7f", "a\\u{d}\\u{a}b\\u{9}c\\u{7f}"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("exe\u{202e}gpj", "exe\\u{202e}gpj"),
            ("\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}"),
            ("a\u{200b}b\u{feff}", "a\\u{200b}b\\u{feff}"),
            ("line\u{2028}line", "line\\u{2028}line"),
            ("\u{e0041}", "\\u{e0041}"),
            // Draws nothing: two names that look the same.
            ("a\u{3164}\u{115f}\u{ffa0}", "a\\u{3164}\\u{115f}\\u{ffa0}"),
            ("a\u{34f}b\u{180b}c\u{e0100}", "a\\u{34f}b\\u{180b}c\\u{e0100}"),
            ("\u{1d173}\u{1bca0}", "\\u{1d173}\\u{1bca0}"),
        ] {
            assert_eq!(escape(text), escaped);
        }
        for harmless in ["", "plain", "Ünïcödé 密钥 😀 ❤\u{fe0f}", "quote\"s 'and' \\back"]
        {
            assert!(matches!(escape(harmless), Cow::Borrowed(text) if text == harmless));
        }
    }

    #[test]
    fn sizes() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (10 * 1024, "10 KiB"),
            (1024 * 1024 - 1, "1023 KiB"),
            (3 << 30, "3.0 GiB"),
            (u64::MAX, "15 EiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn ages() {
        for (seconds, text) in [
            (-3_600, "in the future"),
            (-5, "just now"),
            (0, "just now"),
            (1, "1 second ago"),
            (119, "1 minute ago"),
            (7_200, "2 hours ago"),
            (86_400 * 29, "29 days ago"),
            (86_400 * 365, "1 year ago"),
        ] {
            assert_eq!(age(seconds), text);
        }
    }

    #[test]
    fn times() {
        for (unix_s, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (-1, "1969-12-31 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(timestamp(unix_s), text);
        }
    }
}
