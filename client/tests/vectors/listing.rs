//! Listings, opened and held against what was seen.

use std::collections::BTreeMap;

use keybackup::keys;
use keybackup::marks::{self, ChainNeeded, ContradictionKind, ListingError, Opened};
use keybackup::records::{Keyring, LocalState, Mark};
use keybackup::seal::object::{self, Binding};
use keybackup::secret::RootKey;
use keybackup_protocol::api::{Labels, Listing};
use keybackup_protocol::{AccountId, B64, EpochId, PersonaId};
use rand08::rngs::OsRng;
use serde_json::{Value, json};

use crate::object::slug;
use crate::vector::{Vector, Verdict};

pub(crate) fn check(vector: &Vector) -> Verdict {
    let body: Value = serde_json::from_slice(vector.body()).expect("JSON");
    let listing: Listing = serde_json::from_value(body["listing"].clone()).expect("a listing");
    let labels: BTreeMap<PersonaId, Labels> =
        serde_json::from_value(body["labels"].clone()).expect("labels");
    let account: AccountId = vector.text("account").parse().expect("an id");
    let keyring = keyring(vector, account);
    let state = seen(vector);

    let open = || -> Result<Opened, ListingError> {
        let mut opened = Opened::open(&listing, &keyring, account)?;
        for ChainNeeded { persona, from } in marks::chains_needed(&state, &opened) {
            let page = labels[&persona].labels.iter().filter(|label| label.version >= from);
            opened.add_chain(persona, &page.cloned().collect::<Vec<_>>(), &keyring)?;
        }
        Ok(opened)
    };
    let opened = open().map_err(|error| match error {
        ListingError::OtherAccount(_) => "other-account".to_owned(),
        ListingError::Duplicate(_) => "duplicate".to_owned(),
        ListingError::Index(source) | ListingError::Label { source, .. } => {
            slug(&source).to_owned()
        }
        other => panic!("no slug for {other:?}"),
    })?;
    marks::check(&state, &opened).map_err(|contradiction| match contradiction.kind() {
        ContradictionKind::Rollback => "rollback".to_owned(),
        ContradictionKind::Forgery => "forgery".to_owned(),
    })
}

/// Marks that say what the vector's `seen` says, or nothing.
fn seen(vector: &Vector) -> LocalState {
    let epoch: EpochId = vector.text("epoch").parse().expect("an id");
    let Some(seen) = vector.find("seen") else { return LocalState::new(epoch) };
    let seen: Value = serde_json::from_str(seen).expect("JSON");
    let mark = |(id, mark): (&String, &Value)| {
        let mut mark = mark.clone();
        (mark["seen_at"], mark["base"]) = (json!(0), Value::Null);
        let mark: Mark = serde_json::from_value(mark).expect("a mark");
        (id.parse().expect("an id"), mark)
    };
    LocalState {
        epoch: serde_json::from_value(seen["epoch"].clone()).expect("an id"),
        keyring_version: seen["keyring_version"].as_u64().expect("a number"),
        index_counter: seen["index_counter"].as_u64().expect("a number"),
        index: serde_json::from_value(seen["index"].clone()).expect("a hash"),
        seen_at: 0,
        personas: seen["personas"].as_object().expect("a map").iter().map(mark).collect(),
    }
}

/// The keyring that the listing names: one active key, one retired.
fn keyring(vector: &Vector, account: AccountId) -> Keyring {
    let entry = |id: &str, key: &str, state: &str| {
        let key = B64::from(&vector.bytes(key)[..]).to_text();
        json!({ "id": vector.text(id), "key": key, "state": state })
    };
    let json = json!({ "version": 1, "min_writer": 1, "keys": [
        entry("key-id", "vault-key", "active"),
        entry("retired-key-id", "retired-vault-key", "open-only"),
    ] });
    let epoch: EpochId = vector.text("epoch").parse().expect("an id");
    let root = RootKey::generate(&mut OsRng);
    let binding = Binding::keyring(account, epoch, 1);
    let json = json.to_string();
    let sealed = object::seal(&mut OsRng, &keys::keyring_key(&root), &binding, json.as_bytes());
    Keyring::open(&root, account, epoch, 1, &sealed.expect("it fits")).expect("it is sound")
}
