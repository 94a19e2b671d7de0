//! The fuzz targets over their committed corpora and seeds, without a fuzzer: what it once found
//! stays right, on every machine.

use std::fs;
use std::path::{Path, PathBuf};

use keybackup_tests::fuzz::{TARGETS, seeds};

fn kit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// Runs every input of a target. There are such that are taken and such that are refused, or the
/// target would say nothing.
fn replay(name: &str) {
    let (_, run) = TARGETS.into_iter().find(|(target, _)| *target == name).expect("a target");
    let corpus = fs::read_dir(kit().join("corpus").join(name)).expect("it is committed");
    let files = corpus.map(|file| fs::read(file.expect("readable").path()).expect("readable"));
    let seeds = seeds::all().into_iter().filter(|(target, _)| *target == name);
    let inputs = files.chain(seeds.map(|(_, seed)| seed)).chain([Vec::new()]);
    let verdicts: Vec<bool> = inputs.map(|input| run(&input)).collect();
    assert!(verdicts.contains(&true) && verdicts.contains(&false), "{verdicts:?}");
}

macro_rules! replays {
    ($($target:ident)*) => {
        const REPLAYED: &[&str] = &[$(stringify!($target)),*];
        $(
            #[test]
            fn $target() {
                replay(stringify!($target));
            }
        )*
    };
}

replays! { header stream object label index archive http_head opaque state terminal }

#[test]
fn every_target_is_replayed_and_fuzzed() {
    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, REPLAYED);
    let mut files: Vec<String> = fs::read_dir(kit().join("fuzz_targets"))
        .expect("the targets are there")
        .map(|file| file.expect("readable").file_name().into_string().expect("UTF-8"))
        .collect();
    files.sort_unstable();
    let mut expected: Vec<String> = names.iter().map(|name| format!("{name}.rs")).collect();
    expected.sort_unstable();
    assert_eq!(files, expected);
    let manifest = fs::read_to_string(kit().join("Cargo.toml")).expect("it is there");
    for file in files {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{file}\"")), "{file}");
    }
}
