//! Looks for planted secrets in bytes, in every spelling that a program could leave them in.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A secret and what it is called in a failure.
#[derive(Debug, Clone)]
pub struct Planted {
    what: String,
    spellings: Vec<(&'static str, Vec<u8>)>,
}

impl Planted {
    /// Bytes that must not be found. At least five, or chance would find them.
    pub fn new(what: &str, secret: &[u8]) -> Self {
        assert!(secret.len() >= 5, "{what} is too short to search for");
        let mut spellings = vec![
            ("as it is", secret.to_vec()),
            ("in hex", secret.iter().flat_map(|b| format!("{b:02x}").into_bytes()).collect()),
            (
                "in upper-case hex",
                secret.iter().flat_map(|b| format!("{b:02X}").into_bytes()).collect(),
            ),
        ];
        // At each of the three places in a base64 group where it may begin; what its neighbours
        // decide is cut off.
        for skipped in 0..3_usize {
            let mut padded = vec![0; skipped];
            padded.extend_from_slice(secret);
            let first = (skipped * 8).div_ceil(6);
            let last = padded.len() * 8 / 6;
            for (name, text) in [
                ("in base64", STANDARD_NO_PAD.encode(&padded)),
                ("in base64url", URL_SAFE_NO_PAD.encode(&padded)),
            ] {
                spellings.push((name, text.as_bytes()[first..last].to_vec()));
            }
        }
        if let Ok(text) = std::str::from_utf8(secret) {
            let wide = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect();
            spellings.push(("in UTF-16LE", wide(u16::to_le_bytes)));
            spellings.push(("in UTF-16BE", wide(u16::to_be_bytes)));
            let json = serde_json::to_string(text).expect("a string");
            let json = &json[1..json.len() - 1];
            spellings.push(("in JSON", json.as_bytes().to_vec()));
            let escaped: String = json
                .encode_utf16()
                .map(|unit| match u8::try_from(unit) {
                    Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
                    _ => format!("\\u{unit:04x}"),
                })
                .collect();
            spellings.push(("in escaped JSON", escaped.into_bytes()));
            let percent = text.bytes().map(|byte| match byte {
                byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
                byte => format!("%{byte:02X}"),
            });
            spellings.push(("in a URL", percent.collect::<String>().into_bytes()));
        }
        Self { what: what.to_owned(), spellings }
    }

    /// Where it is in `bytes`, if anywhere.
    pub fn find(&self, bytes: &[u8]) -> Option<String> {
        self.spellings.iter().find_map(|(how, spelling)| {
            let at = find(bytes, spelling)?;
            Some(format!("{} {how}, at byte {at}", self.what))
        })
    }
}

/// Where `needle` begins in `haystack`.
pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let (&first, rest) = needle.split_first()?;
    let mut from = 0;
    while let Some(at) = haystack[from..].iter().position(|&byte| byte == first) {
        from += at + 1;
        if haystack[from..].starts_with(rest) {
            return Some(from - 1);
        }
    }
    None
}

/// Every file below a directory: its path, mode and bytes, and every directory with no bytes.
pub fn files(directory: &Path) -> Vec<(std::path::PathBuf, u32, Option<Vec<u8>>)> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut found = Vec::new();
    let mut left = vec![directory.to_owned()];
    while let Some(path) = left.pop() {
        // SQLite's companions come and go while a server runs.
        let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
        let mode = metadata.permissions().mode() & 0o7777;
        let bytes = if metadata.is_dir() {
            left.extend(
                std::fs::read_dir(&path).expect("listable").map(|e| e.expect("readable").path()),
            );
            None
        } else {
            Some(std::fs::read(&path).unwrap_or_default())
        };
        found.push((path, mode, bytes));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_a_secret_however_it_is_spelled_and_wherever_it_begins() {
        let planted = Planted::new("it", "ge\"heim-ü-wort".as_bytes());
        let text = "ge\"heim-ü-wort";
        for before in ["", "a", "ab", "abc"] {
            let joined = format!("{before}{text}zzz");
            for spelled in [
                joined.clone().into_bytes(),
                STANDARD_NO_PAD.encode(&joined).into_bytes(),
                URL_SAFE_NO_PAD.encode(&joined).into_bytes(),
                serde_json::to_vec(&joined).expect("a string"),
                joined.encode_utf16().flat_map(u16::to_le_bytes).collect(),
                joined.bytes().flat_map(|b| format!("{b:02x}").into_bytes()).collect(),
                br#"ge\"heim-\u00fc-wort"#.to_vec(),
                b"ge%22heim%2D%C3%BC%2Dwort".to_vec(),
            ] {
                assert!(planted.find(&spelled).is_some(), "{}", String::from_utf8_lossy(&spelled));
            }
        }
        assert_eq!(planted.find("ge\"heim-u-wort".as_bytes()), None);
    }

    #[test]
    fn finds_bytes_after_false_starts() {
        assert_eq!(find(b"aab aabaac", b"aac"), Some(7));
        assert_eq!(find(b"aab", b"aac"), None);
    }
}
