//! Takes bytes as an index's JSON under a right seal. What opens as an index keeps every rule of
//! FORMAT.md section 6.3, and seals again to the same index, fields that nobody knows included;
//! merged with itself it stays as it is.

use keybackup::records::Index;

use super::records;
use super::world::{ACCOUNT, EPOCH, Sealed, keyring};

/// Runs one input.
pub fn run(data: &[u8]) -> bool {
    let is_taken = records::takes(Sealed::Index, data);
    if is_taken {
        merges(data);
    }
    is_taken
}

fn merges(json: &[u8]) {
    let counter = serde_json::from_slice::<serde_json::Value>(json).expect("JSON")["counter"]
        .as_u64()
        .expect("it was opened");
    let sealed = Sealed::Index.seal(counter, json).expect("it was opened");
    let index = Index::open(keyring(), ACCOUNT, EPOCH, counter, &sealed).expect("opened");
    let mut merged = index.clone();
    merged.merge(&index).expect("nothing contradicts itself");
    assert_eq!(merged, index);

    // With an empty one it gains nothing, whichever takes the other over.
    let mut other = Index::new(1);
    other.merge(&index).expect("there is nothing to contradict");
    assert_eq!(other.objects(), index.objects());
    for (persona, entry) in index.objects().iter().filter(|(_, entry)| !entry.removed) {
        let (found, same) = index.by_name(entry.name.as_str()).expect("it has that name");
        assert_eq!((&found, same), (persona, entry), "names are told apart");
    }
}
