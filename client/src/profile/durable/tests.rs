//! That a file is whole or absent, whatever was there before.

use super::*;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("there").permissions().mode() & 0o777
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("listable");
    entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect()
}

/// Holds rule 34.
#[test]
fn a_file_is_replaced_whole_and_private() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("file");
    std::fs::write(&path, "old and longer").expect("written");
    std::fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("set");
    replace(&path, b"new").expect("replaced");
    assert_eq!(std::fs::read(&path).expect("there"), b"new");
    assert_eq!(mode(&path), 0o600);
    assert_eq!(names(directory.path()), ["file"]);
}

#[test]
fn a_new_file_never_takes_the_place_of_another() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("phrase.new");
    create_new(&path, b"words").expect("made");
    assert_eq!(mode(&path), 0o600);
    let error = create_new(&path, b"other").expect_err("it is there");
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(directory.path().join("absent"), &link).expect("linked");
    let error = create_new(&link, b"other").expect_err("a link is there");
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(&path).expect("there"), b"words");
    assert_eq!(names(directory.path()).len(), 2, "nothing is left over");
}

#[test]
fn a_failed_write_leaves_the_old_file_and_nothing_else() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("taken");
    std::fs::create_dir(&path).expect("made");
    std::fs::write(path.join("inside"), "x").expect("written");
    assert!(replace(&path, b"new").is_err());
    assert_eq!(names(directory.path()), ["taken"]);
}

/// Holds rule 34.
#[test]
fn directories_are_private_and_made_so() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a/b");
    make_private_dir(&path).expect("made");
    assert_eq!((mode(&path), mode(path.parent().expect("one"))), (0o700, 0o700));
    std::fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("set");
    make_private_dir(&path).expect("tightened");
    assert_eq!(mode(&path), 0o700);
}

#[test]
fn what_a_killed_process_left_is_overwritten_or_swept() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("login.json");
    let left = directory.path().join("login.json.new");
    std::fs::write(&left, "a secret").expect("written");
    std::fs::set_permissions(&left, Permissions::from_mode(0o644)).expect("set");
    replace(&path, b"new").expect("replaced");
    assert_eq!((names(directory.path()), mode(&path)), (vec!["login.json".to_owned()], 0o600));

    let elsewhere = directory.path().join("elsewhere");
    std::fs::write(&elsewhere, "untouched").expect("written");
    std::os::unix::fs::symlink(&elsewhere, &left).expect("linked");
    replace(&path, b"newer").expect("replaced");
    assert_eq!(std::fs::read(&elsewhere).expect("there"), b"untouched");
    assert_eq!(std::fs::read(&path).expect("there"), b"newer");

    std::fs::write(&left, "a secret").expect("written");
    sweep(directory.path()).expect("swept");
    sweep(&directory.path().join("absent")).expect("nothing to do");
    let mut left = names(directory.path());
    left.sort_unstable();
    assert_eq!(left, ["elsewhere", "login.json"]);
}

#[test]
fn a_probe_tells_whether_files_can_be_written_and_leaves_none() {
    let directory = tempfile::tempdir().expect("a directory");
    probe(directory.path()).expect("writable");
    assert!(names(directory.path()).is_empty());
    assert!(probe(&directory.path().join("absent")).is_err());
}
