//! Takes bytes as what a device keeps: the JSON of its local state under a right seal, a stat
//! cache, or a file of its profile. What is read is written again as the same, and what is damaged
//! is told with a harmless text, or counts as absent.

use std::time::Duration;

use keybackup::archive::StatCache;
use keybackup::profile::Profile;

use super::input::Input;
use super::records;
use super::scratch::Scratch;
use super::terminal::assert_inert;
use super::world::Sealed;

/// Runs one input. Its first byte says what the others are.
pub fn run(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    match input.byte() % 5 {
        0 => records::takes(Sealed::LocalState, input.rest()),
        1 => stat_cache(input.rest()),
        2 => profile("profile.json", input.rest()),
        3 => profile("snapshot", input.rest()),
        _ => profile("sent.json", input.rest()),
    }
}

fn stat_cache(bytes: &[u8]) -> bool {
    let Ok(cache) = StatCache::from_bytes(bytes) else { return false };
    let again = cache.to_bytes();
    assert_eq!(StatCache::from_bytes(&again).as_ref(), Ok(&cache));
    assert!(cache.len() * (4 + 32 + 32) <= bytes.len(), "more than there is");
    !cache.is_empty()
}

/// Whether a profile whose file of that name holds these bytes gives something of it.
fn profile(name: &str, bytes: &[u8]) -> bool {
    let scratch = Scratch::new();
    let profile = Profile::at(scratch.path(), &"work".parse().expect("a name"));
    let locked = profile.lock(Duration::ZERO, || ()).expect("nobody else has it");
    let path = profile.directory().join(name);
    std::fs::write(&path, bytes).expect("it can be written");
    let written = || std::fs::read(&path).expect("it was written");
    match name {
        "profile.json" => match profile.record() {
            Ok(Some(record)) => {
                locked.save_record(&record).expect("it can be written");
                let first = written();
                let same = profile.record().expect("it was just written").expect("it is there");
                locked.save_record(&same).expect("it can be written");
                assert_eq!(written(), first);
                true
            }
            Ok(None) => unreachable!("the file is there"),
            Err(error) => {
                assert_inert(&error.to_string().replace(&path.display().to_string(), ""));
                false
            }
        },
        "snapshot" => profile.snapshot().is_some_and(|snapshot| {
            locked.save_snapshot(&snapshot).expect("it can be written");
            assert_eq!(profile.snapshot(), Some(snapshot));
            true
        }),
        _ => {
            let sent = profile.sent();
            for sent in sent.iter().rev() {
                locked.save_sent(sent).expect("it can be written");
            }
            let kept = profile.sent();
            assert!(kept.len() <= 8, "eight are kept");
            assert!(kept.iter().zip(&sent).all(|(kept, sent)| kept == sent));
            !sent.is_empty()
        }
    }
}
