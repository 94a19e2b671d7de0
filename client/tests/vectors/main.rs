//! Every vector of `client/vectors` does what it says, and the generator still writes each of them
//! byte for byte: what was sealed once opens for ever.

// The generator is an example, not a library; this takes in its parts.
#[path = "../../examples/vectors/case.rs"]
mod case;
#[path = "../../examples/vectors/cases/mod.rs"]
mod cases;
#[path = "../../examples/vectors/raw.rs"]
mod raw;
#[path = "../../examples/vectors/raw_zip.rs"]
mod raw_zip;
#[path = "../../examples/vectors/released.rs"]
mod released;

mod archive;
mod blob;
mod listing;
mod object;
mod plain;
mod vector;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use vector::{Vector, Verdict};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// All committed vectors, by their path below the directory.
fn committed() -> BTreeMap<String, String> {
    let mut vectors = BTreeMap::new();
    for operation in fs::read_dir(directory()).expect("the vectors are there") {
        let operation = operation.expect("it can be listed");
        if !operation.path().is_dir() {
            continue;
        }
        for file in fs::read_dir(operation.path()).expect("it can be listed") {
            let file = file.expect("it can be listed");
            let [operation, file_name] = [operation.file_name(), file.file_name()]
                .map(|name| name.into_string().expect("names are ASCII"));
            let text = fs::read_to_string(file.path()).expect("vectors are text");
            vectors.insert(format!("{operation}/{file_name}"), text);
        }
    }
    vectors
}

/// What a vector says must come of it, and what comes of it.
fn run(vector: &Vector) -> Verdict {
    // What can't be refused.
    let sure = |check: fn(&Vector)| {
        check(vector);
        Ok(())
    };
    match vector.text("operation") {
        "lp" => plain::lp(vector),
        "padme" => sure(plain::padme),
        "blob-length" => sure(plain::blob_length),
        "fingerprint" => sure(plain::fingerprint),
        "password" => plain::password(vector),
        "address" => plain::address(vector),
        "phrase" => plain::phrase(vector),
        "derive" => sure(plain::derivation),
        "tree" => sure(plain::tree),
        "ksf" => sure(plain::stretching),
        "opaque-input" => sure(plain::opaque_input),
        "object" => object::open(vector),
        "blob" => blob::open(vector),
        "zip" => archive::open(vector),
        "listing" => listing::check(vector),
        other => panic!("no such operation: {other}"),
    }
}

/// Holds rules 3, 9, 11 and 18.
#[test]
fn every_vector_does_what_it_says() {
    let vectors = committed();
    assert!(vectors.len() > 120, "only {} vectors", vectors.len());
    let mut wrong = Vec::new();
    for (file, text) in vectors {
        let vector = Vector::parse(&file, &text);
        let verdict = run(&vector);
        let expect = vector.text("expect");
        assert!(vector::EXPECTATIONS.contains(&expect), "{file}: no such expectation: {expect}");
        let found = verdict.as_ref().err().map_or("success", |slug| slug);
        if found != expect {
            wrong.push(format!("{file}: {found} instead of {expect}"));
        }
        vector.assert_all_read();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_generator_writes_what_is_committed() {
    let mut committed = committed();
    for case in cases::all() {
        let file = case.file();
        let text = committed.remove(&file).unwrap_or_else(|| panic!("{file} is not committed"));
        assert!(text == case.to_text(), "{file} is another than the committed one");
    }
    assert_eq!(committed.keys().collect::<Vec<_>>(), [""; 0], "written by nobody");
}

/// What is wrong with the vectors, by the promises: those that changed or went, and lines that are
/// none.
fn broken(manifest: &str, vectors: &BTreeMap<String, String>) -> Vec<String> {
    let promises = manifest.lines().filter(|line| !line.starts_with('#'));
    promises
        .filter(|promise| {
            let kept = promise.split_once("  ").and_then(|(_, file)| {
                let text = vectors.get(file)?;
                Some(released::line(file, text).trim_end() == *promise)
            });
            kept != Some(true)
        })
        .map(str::to_owned)
        .collect()
}

/// The generator and its files can be changed together; the promise of a release can't.
#[test]
fn what_was_released_is_as_it_was() {
    let manifest = fs::read_to_string(directory().join(released::MANIFEST)).expect("it is there");
    let mut vectors = committed();
    assert_eq!(broken(&manifest, &vectors), [""; 0]);
    let promised = manifest.lines().filter(|line| !line.starts_with('#')).count();
    assert!(promised >= 388, "only {promised} promises are left");

    // And it would be noticed.
    let files: Vec<_> = vectors.keys().take(2).cloned().collect();
    let [changed, gone] = &files[..] else { panic!("there are two") };
    vectors.get_mut(changed).expect("it is there").push('\n');
    vectors.remove(gone);
    assert_eq!(broken(&manifest, &vectors).len(), 2);
    assert!(!broken("no line\n", &vectors).is_empty());
}
