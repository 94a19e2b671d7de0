//! DESIGN's three sets of files, the same bytes on every machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use keybackup_tests::Tree;
use keybackup_tests::tree::{noise, put};

use crate::failure::{At as _, Result};
use crate::text;
use keybackup_tests::rng::Rng;

/// A set on the disk.
pub(crate) struct Set {
    /// `S`, `M` or `L`.
    pub(crate) name: &'static str,
    /// What it is, for the table.
    pub(crate) what: String,
    /// Where it is.
    pub(crate) directory: PathBuf,
    /// Whether compressing it is of any use.
    pub(crate) compressible: bool,
    /// Whether a disk may be too small for all copies of all rounds.
    pub(crate) is_large: bool,
    /// What a restore has to look like.
    pub(crate) tree: Tree,
}

/// Which sets there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "UPPER")]
pub(crate) enum Which {
    /// 20 files of 1 KiB
    S,
    /// 5,000 files, 49 MiB of text
    M,
    /// 200 files, 1 GiB of media
    L,
}

impl Which {
    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::S => "S",
            Self::M => "M",
            Self::L => "L",
        }
    }

    /// Makes it below `parent`.
    pub(crate) fn make(self, parent: &Path) -> Result<Set> {
        let directory = parent.join(self.name());
        std::fs::create_dir_all(&directory).at(&directory)?;
        match self {
            Self::S => small(&directory),
            Self::M => texts(&directory),
            Self::L => media(&directory),
        }
        // Who is asked for what has changed must not wonder whether it has, because the files were
        // written a moment ago.
        std::thread::sleep(SETTLE);
        let tree = Tree::read(&directory);
        let sizes = || tree.0.values().filter_map(|node| Some(node.file.as_ref()?.size));
        let (files, bytes) = (sizes().count(), sizes().sum::<u64>());
        let kind = match self {
            Self::S => "keys",
            Self::M => "text",
            Self::L => "media (random bytes)",
        };
        let what = match (bytes + (1 << 19)) >> 20 {
            0 => format!("{files} files, {} KiB of {kind}", bytes >> 10),
            mebibytes => format!("{files} files, {mebibytes} MiB of {kind}"),
        };
        let compressible = !matches!(self, Self::L);
        let is_large = bytes > 256 << 20;
        Ok(Set { name: self.name(), what, directory, compressible, is_large, tree })
    }
}

/// Longer than any tool distrusts a file that has just changed.
const SETTLE: Duration = Duration::from_millis(2_500);
const MODE: u32 = 0o644;

/// Whole seconds, which every archive format can tell.
fn time(n: u64) -> Duration {
    Duration::from_secs(1_700_000_000 + 61 * n)
}

/// 20 files of 1 KiB: half of each is a key, and base64.
fn small(directory: &Path) {
    use base64::Engine as _;
    for n in 0..20 {
        let key = base64::prelude::BASE64_STANDARD.encode(noise(512, n));
        let json =
            format!(r#"{{"subkey":{n},"created":{},"key":"{key}","note":""#, time(n).as_secs());
        let note = text::prose(&mut Rng::new(n), 1024 - json.len() - 2);
        put(
            &directory.join(format!("keyring/{n:02}.json")),
            (json + &note + "\"}").as_bytes(),
            MODE,
            time(n),
        );
    }
}

/// 5,000 files of 2 to 18 KiB, 50 directories.
fn texts(directory: &Path) {
    let mut rng = Rng::new(5_000);
    for (n, size) in (0..).zip(sizes(&mut rng, 5_000, 10_276, 8_228)) {
        let (kind, body) = if n % 2 == 0 {
            ("txt", text::prose(&mut Rng::new(n), size))
        } else {
            ("json", text::records(&mut Rng::new(n), size))
        };
        put(
            &directory.join(format!("{:02}/{n:04}.{kind}", n / 100)),
            body.as_bytes(),
            MODE,
            time(n),
        );
    }
}

/// 200 files of 1 to 9 MiB, 10 directories.
fn media(directory: &Path) {
    let mut rng = Rng::new(200);
    for (n, size) in (0..).zip(sizes(&mut rng, 200, (1 << 30) / 200, 4 << 20)) {
        put(
            &directory.join(format!("{}/{n:03}.jpg", n / 20)),
            &noise(size, 1_000 + n),
            MODE,
            time(n),
        );
    }
}

/// `count` sizes, an even number, whose mean is exact: each pair is as much above as below it.
fn sizes(rng: &mut Rng, count: usize, mean: usize, most: usize) -> Vec<usize> {
    let pair = |_| {
        let off = rng.below(most);
        [mean - off, mean + off]
    };
    (0..count / 2).flat_map(pair).collect()
}
