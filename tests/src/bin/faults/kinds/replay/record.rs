//! What strace has written, as calls that change a disk.

use std::fs;
use std::path::{Path, PathBuf};

use super::inner;

/// One call that succeeded.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// Microseconds since 1970; what ended before another began was before it.
    pub(super) began: u64,
    pub(super) ended: u64,
    pub(super) what: What,
}

/// What it did; paths are below the data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Create(PathBuf),
    MakeDirectory(PathBuf),
    /// At an offset, or at the end of what was written through this descriptor.
    Write(PathBuf, Option<usize>, Vec<u8>),
    Truncate(PathBuf, usize),
    Sync(PathBuf),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

/// Reads the files of all threads, in the order in which calls ended.
pub(super) fn read(directory: &Path, data: &Path) -> Vec<Call> {
    let mut calls = Vec::new();
    for file in fs::read_dir(directory).expect("listable") {
        let text = fs::read(file.expect("readable").path()).expect("readable");
        let text = String::from_utf8_lossy(&text);
        calls.extend(text.lines().filter_map(|line| call(line, data)));
    }
    calls.sort_by_key(|call| call.ended);
    calls
}

/// `SECONDS NAME(ARGUMENTS) = RESULT <DURATION>`
fn call(line: &str, data: &Path) -> Option<Call> {
    let (time, rest) = line.split_once(' ')?;
    let (rest, took) = rest.strip_suffix('>')?.rsplit_once(" <")?;
    let (rest, result) = rest.rsplit_once(" = ")?;
    if result.starts_with('-') || result.starts_with('?') {
        return None;
    }
    let (name, arguments) = rest.trim_end().strip_suffix(')')?.split_once('(')?;
    let began = microseconds(time)?;
    let what = what(name, arguments, result, data)?;
    Some(Call { began, ended: began + microseconds(took)?, what })
}

fn microseconds(seconds: &str) -> Option<u64> {
    let (whole, part) = seconds.split_once('.')?;
    Some(whole.parse::<u64>().ok()? * 1_000_000 + part.get(..6)?.parse::<u64>().ok()?)
}

fn what(name: &str, arguments: &str, result: &str, data: &Path) -> Option<What> {
    let parts: Vec<_> = arguments.split(", ").collect();
    let of_descriptor = || inner(&descriptor(parts[0])?, data);
    let path = |n: usize| {
        let text = String::from_utf8(bytes(parts.get(n)?)?).ok()?;
        inner(Path::new(&text), data)
    };
    match name {
        "write" => {
            let written = bytes(parts[1])?;
            Some(What::Write(of_descriptor()?, None, written))
        }
        "pwrite64" => {
            let offset = parts.last()?.parse().ok()?;
            Some(What::Write(of_descriptor()?, Some(offset), bytes(parts[1])?))
        }
        "ftruncate" => Some(What::Truncate(of_descriptor()?, parts[1].parse().ok()?)),
        "fsync" | "fdatasync" => Some(What::Sync(of_descriptor()?)),
        "openat" if parts.get(2)?.contains("O_CREAT") => {
            // As it was resolved.
            Some(What::Create(inner(&descriptor(result)?, data)?))
        }
        "mkdir" => Some(What::MakeDirectory(path(0)?)),
        "mkdirat" => Some(What::MakeDirectory(path(1)?)),
        "rename" => Some(What::Rename(path(0)?, path(1)?)),
        "renameat" | "renameat2" => Some(What::Rename(path(1)?, path(3)?)),
        "unlink" => Some(What::Remove(path(0)?)),
        "unlinkat" => Some(What::Remove(path(1)?)),
        "link" | "linkat" | "writev" | "pwritev" if arguments.contains(data.to_str()?) => {
            panic!("a call that is not modelled: {name}({arguments})")
        }
        _ => None,
    }
}

/// The path in `12</a/path>`, which strace writes in hex, too.
fn descriptor(text: &str) -> Option<PathBuf> {
    let path = text.split_once('<')?.1.rsplit_once('>')?.0;
    let path = path.trim_end_matches("(deleted)");
    if path.starts_with("\\x") {
        return Some(PathBuf::from(String::from_utf8(hex(path)?).ok()?));
    }
    Some(PathBuf::from(path))
}

/// The bytes of `"\x61\x62"`.
fn bytes(text: &str) -> Option<Vec<u8>> {
    assert!(!text.ends_with("..."), "strace cut a call short");
    hex(text.strip_prefix('"')?.strip_suffix('"')?)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digits = |part: &str| u8::from_str_radix(part, 16).ok();
    text.split("\\x").skip(1).map(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_strace_are_understood() {
        let data = Path::new("/d");
        let line = r#"17.000001 pwrite64(9</d/w>, "\x61\x62", 2, 4096) = 2 <0.000010>"#;
        let read = call(line, data).expect("a call");
        assert_eq!((read.began, read.ended), (17_000_001, 17_000_011));
        assert_eq!(read.what, What::Write("w".into(), Some(4096), b"ab".to_vec()));
        let line = r"17.000001 fdatasync(9<\x2f\x64\x2f\x77>) = 0 <0.000010>";
        assert_eq!(call(line, data).expect("a call").what, What::Sync("w".into()));
        for not in [
            r#"17.000001 pwrite64(9</e/w>, "\x61", 1, 0) = 1 <0.000010>"#,
            r#"17.000001 unlink("\x2f\x64\x2f\x77") = -1 ENOENT (No such file) <0.000010>"#,
        ] {
            assert!(call(not, data).is_none(), "{not}");
        }
    }
}
