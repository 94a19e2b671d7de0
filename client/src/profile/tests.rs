//! What a profile keeps, and that one process at a time writes it.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use keybackup_protocol::api::{Keyring, Slot, SlotKind};
use keybackup_protocol::{AccountId, B64, DeviceId, EpochId};

use super::*;
use crate::error::{Code, Exit, Failure};

pub(super) fn profile(data_dir: &Path) -> Profile {
    Profile::at(data_dir, &"home".parse().expect("a name"))
}

pub(super) fn locked(data_dir: &Path) -> LockedProfile {
    profile(data_dir).lock(Duration::ZERO, || {}).expect("nobody else is here")
}

pub(super) fn record() -> Record {
    Record {
        server: "https://keys.example.org/kb".parse().expect("a server"),
        email: "alice@example.org".parse().expect("an address"),
        account_id: AccountId::from_bytes([1; 16]),
        epoch_id: EpochId::from_bytes([2; 16]),
        device_id: DeviceId::from_bytes([3; 16]),
        device_name: "laptop".to_owned(),
        keyring: Keyring { version: 4, sealed: B64(vec![5; 9]) },
        recovery_slot: Slot { kind: SlotKind::Recovery, generation: 1, sealed: B64(vec![6; 9]) },
        newer_recovery_slot: None,
        former: Vec::new(),
        closed: Vec::new(),
        stored: None,
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("there").permissions().mode() & 0o777
}

/// Holds rule 34.
#[test]
fn what_is_kept_comes_back_and_is_private() {
    let data = tempfile::tempdir().expect("a directory");
    let fresh = profile(data.path());
    assert!(fresh.record().expect("absent is no error").is_none());
    assert!(fresh.state(&EpochId::from_bytes([2; 16])).expect("absent is no error").is_none());
    assert!(!fresh.directory().exists(), "reading makes nothing");

    let locked = locked(data.path());
    locked.save_record(&record()).expect("saved");
    locked.save_state(b"sealed").expect("saved");
    let back = locked.record().expect("parses").expect("there");
    assert_eq!(back.to_bytes(), record().to_bytes());
    assert_eq!(back.server.as_str(), "https://keys.example.org/kb");
    assert_eq!(back.email.as_str(), "alice@example.org");
    assert_eq!(
        locked.state(&EpochId::from_bytes([2; 16])).expect("readable").expect("there"),
        b"sealed"
    );
    for name in ["profile.json", "state.sealed", "lock"] {
        assert_eq!(mode(&locked.path(name)), 0o600, "{name}");
    }
    for directory in [locked.directory(), &data.path().join("profiles")] {
        assert_eq!(mode(directory), 0o700);
    }
}

/// Holds rules 3 and 7.
#[test]
fn a_damaged_or_newer_record_is_an_error_and_not_a_fresh_start() {
    let data = tempfile::tempdir().expect("a directory");
    let locked = locked(data.path());
    for (text, code) in [
        ("", Code::ProfileDamaged),
        ("{\"schema\":1}", Code::ProfileDamaged),
        ("{\"schema\":2}", Code::ProfileDamaged),
    ] {
        std::fs::write(locked.path("profile.json"), text).expect("written");
        let failure = Failure::from(locked.record().expect_err(text));
        assert_eq!(failure.code(), code);
    }
    let error = locked.record().expect_err("newer");
    assert!(matches!(error, ProfileError::Newer { schema: 2, .. }));
}

#[test]
fn a_second_process_waits_says_so_and_gives_up() {
    let data = tempfile::tempdir().expect("a directory");
    let first = locked(data.path());
    // However little time there is, also none at all, as on a machine that stood still.
    for timeout in [Duration::from_millis(200), Duration::ZERO] {
        let mut said = 0;
        let second = profile(data.path()).lock(timeout, || said += 1);
        let failure = Failure::from(second.err().expect("the first one holds it"));
        assert_eq!((failure.code(), failure.exit()), (Code::Busy, Exit::Other));
        assert_eq!(said, 1, "{timeout:?}");
    }

    let waiting = std::sync::mpsc::channel();
    let other = profile(data.path());
    let thread = std::thread::spawn(move || {
        other.lock(Duration::from_mins(1), || waiting.0.send(()).expect("awaited")).is_ok()
    });
    waiting.1.recv().expect("it waits");
    drop(first);
    assert!(thread.join().expect("it ends"), "it goes on when the first is done");
}

#[test]
fn profiles_do_not_hold_each_other() {
    let data = tempfile::tempdir().expect("a directory");
    let _home = locked(data.path());
    let work = Profile::at(data.path(), &"work".parse().expect("a name"));
    assert!(work.lock(Duration::ZERO, || {}).is_ok());
}

#[test]
fn a_spool_is_emptied_of_files_and_not_through_a_link() {
    let root = tempfile::tempdir().expect("a temporary directory");
    let profile = Profile::at(root.path(), &"default".parse().expect("a name"));
    let locked = profile.lock(Duration::from_secs(9), || ()).expect("free");
    let spool = locked.spool_dir().expect("made");
    std::fs::create_dir(spool.join("sub")).expect("made");
    std::fs::write(spool.join("left"), "x").expect("written");
    locked.spool_dir().expect("emptied");
    assert!(spool.join("sub").is_dir() && !spool.join("left").exists());
    let elsewhere = root.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).expect("made");
    std::fs::write(elsewhere.join("thesis"), "x").expect("written");
    std::fs::remove_dir_all(&spool).expect("removed");
    std::os::unix::fs::symlink(&elsewhere, &spool).expect("linked");
    assert_eq!(locked.spool_dir().expect("there"), spool);
    assert!(elsewhere.join("thesis").is_file());
}

#[test]
fn a_snapshot_is_whole_or_absent() {
    let data = tempfile::tempdir().expect("a directory");
    let locked = locked(data.path());
    assert_eq!(locked.snapshot(), None);
    let snapshot = Snapshot { etag: "\"abc\"".to_owned(), listing: b"{\n}\n".to_vec() };
    locked.save_snapshot(&snapshot).expect("saved");
    assert_eq!(locked.snapshot(), Some(snapshot.clone()));
    let whole = std::fs::read(locked.path("snapshot")).expect("there");
    for length in 0..whole.len() {
        std::fs::write(locked.path("snapshot"), &whole[..length]).expect("written");
        assert_eq!(locked.snapshot(), None, "{length} bytes");
    }
    locked.save_snapshot(&Snapshot { etag: "a\nb".to_owned(), ..snapshot }).expect("dropped");
    assert!(!locked.path("snapshot").exists());
    locked.drop_snapshot().expect("absent already");
}

/// Holds rule 34.
#[test]
fn caches_are_private_and_spools_start_empty() {
    let data = tempfile::tempdir().expect("a directory");
    let locked = locked(data.path());
    let persona = PersonaId::from_bytes([7; 16]);
    assert_eq!(locked.stat_cache(&persona), None);
    locked.save_stat_cache(&persona, b"sealed").expect("saved");
    assert_eq!(locked.stat_cache(&persona), Some(b"sealed".to_vec()));
    assert_eq!(mode(&locked.cache_path(&persona)), 0o600);
    assert_eq!(mode(&locked.path("cache")), 0o700);

    let spool = locked.spool_dir().expect("made");
    std::fs::write(spool.join("left over"), "x").expect("written");
    let again = locked.spool_dir().expect("emptied");
    assert_eq!(std::fs::read_dir(again).expect("listable").count(), 0);
}

#[test]
fn who_takes_the_lock_removes_what_a_killed_process_left() {
    let data = tempfile::tempdir().expect("a directory");
    let first = locked(data.path());
    first.save_record(&record()).expect("saved");
    first.save_stat_cache(&PersonaId::from_bytes([7; 16]), b"sealed").expect("saved");
    let left = [first.path("login.json.new"), first.path("cache").join("x.sealed.new")];
    for path in &left {
        std::fs::write(path, "half a secret").expect("written");
    }
    drop(first);
    let second = locked(data.path());
    assert!(left.iter().all(|path| !path.exists()));
    assert!(second.record().expect("parses").is_some(), "what is whole stays");
    assert!(second.stat_cache(&PersonaId::from_bytes([7; 16])).is_some());
}

/// Holds rule 7.
#[test]
fn a_state_without_its_record_is_set_aside_and_not_lost() {
    let data = tempfile::tempdir().expect("a directory");
    let locked = locked(data.path());
    assert_eq!(locked.set_state_aside().expect("nothing to do"), None);
    locked.save_state(b"sealed").expect("saved");
    let aside = locked.set_state_aside().expect("renamed").expect("there was one");
    assert_eq!(std::fs::read(aside).expect("there"), b"sealed");
    assert!(locked.state(&EpochId::from_bytes([2; 16])).expect("absent is no error").is_none());
}

#[test]
fn a_lock_that_can_not_be_written_still_keeps_two_processes_apart() {
    let data = tempfile::tempdir().expect("a directory");
    let profile = profile(data.path());
    // A directory in its place: nobody can open it for writing, not even root.
    std::fs::create_dir_all(profile.path("lock")).expect("made");
    let first = profile.lock(Duration::ZERO, || {}).expect("locked");
    assert!(profile.lock(Duration::ZERO, || {}).is_err());
    drop(first);
    assert!(profile.lock(Duration::ZERO, || {}).is_ok());
}

#[test]
fn a_spool_that_can_not_be_made_is_told_only_when_it_is_needed() {
    let data = tempfile::tempdir().expect("a directory");
    let locked = locked(data.path());
    std::fs::write(locked.path("spool"), "in the way").expect("written");
    assert_eq!(locked.spool_dir().expect("a path"), locked.path("spool"));
}
