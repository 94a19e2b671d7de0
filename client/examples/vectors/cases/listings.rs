//! Listings: whole accounts as a server shows them, held against themselves and against what a
//! device has seen.

use keybackup::keys::{self, SealingKey};
use keybackup::secret::{DerivedKey, VaultKey};
use keybackup_protocol::{AccountId, EpochId, KeyId, PersonaId};
use rand08::RngCore as _;
use serde_json::{Map, Value, json};

use super::world::{self, ACCOUNT, EPOCH, PERSONA, Type};
use crate::case::{Case, VectorRng};
use crate::raw::{self, Bound};

const OTHER: PersonaId = PersonaId::from_bytes(*b"other persona 16");
const RETIRED_ID: KeyId = KeyId::from_bytes(*b"old key.");

fn retired() -> VaultKey {
    VaultKey::new(RETIRED_ID, DerivedKey::generate(&mut VectorRng::of("world: retired key")))
}

/// A sealed label, and what it says.
#[derive(Clone)]
struct Labelled {
    json: Value,
    sealed: Vec<u8>,
}

impl Labelled {
    fn hash(&self) -> String {
        world::b64(blake3::hash(&self.sealed).as_bytes())
    }

    fn version(&self) -> u64 {
        self.json["version"].as_u64().expect("a number")
    }
}

/// What a server shows, and what a device has seen.
#[derive(Clone)]
struct Account {
    name: &'static str,
    keyring_version: u64,
    epoch: EpochId,
    claimed: AccountId,
    labels: Vec<(PersonaId, Vec<Labelled>)>,
    index: Value,
    index_key: VaultKeyOf,
    seen: Option<Value>,
    /// Personas that the server leaves out, shows twice, or the labels that it holds back.
    hidden: Vec<PersonaId>,
    twice: bool,
    held_back: Vec<u64>,
    swapped: bool,
}

/// Which of the two vault keys.
#[derive(Clone, Copy, PartialEq, Eq)]
enum VaultKeyOf {
    Active,
    Retired,
}

impl VaultKeyOf {
    fn key(self) -> VaultKey {
        match self {
            Self::Active => world::vault(),
            Self::Retired => retired(),
        }
    }
}

impl Account {
    /// Two personas: [`PERSONA`] with three versions, [`OTHER`] with one; the index is at 5.
    fn new(name: &'static str) -> Self {
        let mut account = Self {
            name,
            keyring_version: 1,
            epoch: EPOCH,
            claimed: ACCOUNT,
            labels: vec![(PERSONA, Vec::new()), (OTHER, Vec::new())],
            index: json!({ "counter": 5, "keyring_version": 1, "min_writer": 1, "objects": [] }),
            index_key: VaultKeyOf::Active,
            seen: None,
            hidden: Vec::new(),
            twice: false,
            held_back: Vec::new(),
            swapped: false,
        };
        for version in 1..=3 {
            account.push(PERSONA, version, VaultKeyOf::Active, |_| ());
        }
        account.push(OTHER, 1, VaultKeyOf::Active, |_| ());
        account.index(PERSONA);
        account.index(OTHER);
        account
    }

    fn of(&mut self, persona: PersonaId) -> &mut Vec<Labelled> {
        let found = self.labels.iter_mut().find(|(id, _)| *id == persona);
        &mut found.expect("one of the two").1
    }

    fn newest(&self, persona: PersonaId) -> &Labelled {
        let found = self.labels.iter().find(|(id, _)| *id == persona).expect("one of the two");
        found.1.last().expect("each has one")
    }

    /// A label after the newest, chained to it.
    fn push(
        &mut self,
        persona: PersonaId,
        version: u64,
        key: VaultKeyOf,
        change: impl FnOnce(&mut Value),
    ) {
        let previous = self.of(persona).last().map(Labelled::hash);
        let mut json = world::label(version, None);
        json["name"] = json!(if persona == PERSONA { "work" } else { "home" });
        json["previous"] = json!(previous);
        json["content"]["header"] = json!(world::b64(&header(persona, version, &key.key())));
        change(&mut json);
        let sealing = keys::label_key(&keys::persona_key(&key.key(), persona));
        let bound = Bound { account: ACCOUNT, object: *persona.as_bytes(), version };
        let sealed = self.seal(&sealing, bound, &json, &format!("{persona} {version}"));
        self.of(persona).push(Labelled { json, sealed });
    }

    /// Raises the floor of a persona to its newest version.
    fn index(&mut self, persona: PersonaId) {
        let newest = self.newest(persona).clone();
        let entry = json!({
            "id": persona, "kind": newest.json["kind"], "name": newest.json["name"],
            "floor": newest.version(), "label": newest.hash(), "removed": newest.json["removed"],
        });
        let objects = self.index["objects"].as_array_mut().expect("a list");
        objects.retain(|object| object["id"] != entry["id"]);
        objects.push(entry);
        objects.sort_by_key(|object| object["id"].to_string());
    }

    /// The entry of a persona in the index.
    fn entry(&mut self, persona: PersonaId) -> &mut Value {
        let objects = self.index["objects"].as_array_mut().expect("a list");
        let found = objects.iter_mut().find(|object| object["id"] == json!(persona));
        found.expect("both are indexed")
    }

    fn seal(&self, key: &SealingKey, bound: Bound, json: &Value, of: &str) -> Vec<u8> {
        let json = world::text(json);
        let bytes = match key.object_type() {
            keys::ObjectType::Index => Type::Index.padded_bytes(json.len()),
            _ => Type::Label.padded_bytes(json.len()),
        };
        let mut nonce = [0; 24];
        VectorRng::of(&format!("listing/{} {of}", self.name)).fill_bytes(&mut nonce);
        raw::object(key, bound, nonce, &raw::padded(json.as_bytes(), bytes))
    }

    fn sealed_index(&self) -> Vec<u8> {
        let counter = self.index["counter"].as_u64().expect("a number");
        let bound = Bound { account: ACCOUNT, object: *self.epoch.as_bytes(), version: counter };
        let key = keys::index_key(&self.index_key.key());
        self.seal(&key, bound, &self.index, &format!("index {counter}"))
    }

    /// The device has seen all of this.
    fn see(&mut self) {
        let mut personas = Map::new();
        for (id, labels) in &self.labels {
            let newest = labels.last().expect("each has one");
            let mark = json!({ "version": newest.version(), "label": newest.hash() });
            personas.insert(id.to_string(), mark);
        }
        self.seen = Some(json!({
            "epoch": EPOCH,
            "keyring_version": self.keyring_version,
            "index_counter": self.index["counter"],
            "index": world::b64(blake3::hash(&self.sealed_index()).as_bytes()),
            "personas": personas,
        }));
    }

    /// Somebody has pushed to [`PERSONA`]: with an index, as sessions do, or without.
    fn advance(&mut self, indexed: bool) {
        let version = self.newest(PERSONA).version() + 1;
        self.push(PERSONA, version, VaultKeyOf::Active, |_| ());
        if indexed {
            self.index(PERSONA);
            let counter = self.index["counter"].as_u64().expect("a number");
            self.index["counter"] = json!(counter + 1);
        }
    }

    fn case(&self, expect: &str) -> Case {
        let listed = |(id, labels): &(PersonaId, Vec<Labelled>)| {
            let newest = labels.last().expect("each has one");
            json!({ "id": id, "version": newest.version(), "label": world::b64(&newest.sealed),
                    "stored_at": 1_700_000_000, "trashed": false })
        };
        let shown = self.labels.iter().filter(|(id, _)| !self.hidden.contains(id));
        let mut personas: Vec<Value> = shown.map(listed).collect();
        if self.twice {
            personas.push(personas[0].clone());
        }
        let labels = |(id, labels): &(PersonaId, Vec<Labelled>)| {
            let kept = labels.iter().filter(|label| !self.held_back.contains(&label.version()));
            let mut kept: Vec<_> = kept
                .map(|label| {
                    json!({ "version": label.version(), "label": world::b64(&label.sealed),
                            "stored_at": 1_700_000_000, "bytes_held": true })
                })
                .collect();
            if self.swapped && kept.len() > 2 {
                let last = kept.len() - 1;
                kept.swap(last - 1, last - 2);
            }
            (id.to_string(), json!({ "labels": kept, "more": false }))
        };
        let body = json!({
            "listing": {
                "account_id": self.claimed,
                "epoch": self.epoch,
                "keyring_version": self.keyring_version,
                "index": { "counter": self.index["counter"],
                           "sealed": world::b64(&self.sealed_index()) },
                "personas": personas,
            },
            "labels": self.labels.iter().map(labels).collect::<Map<_, _>>(),
        });
        let mut case = Case::new("listing", self.name, expect)
            .text("account", ACCOUNT)
            .text("epoch", EPOCH)
            .text("key-id", world::KEY_ID)
            .bytes("vault-key", world::vault().expose())
            .text("retired-key-id", RETIRED_ID)
            .bytes("retired-vault-key", retired().expose());
        if let Some(seen) = &self.seen {
            case = case.text("seen", world::text(seen));
        }
        case.body(world::text(&body))
    }
}

fn header(persona: PersonaId, version: u64, vault: &VaultKey) -> Vec<u8> {
    let key = keys::persona_key(vault, persona);
    let (key_id, persona_key) = (vault.id(), key.expose());
    raw::blob(
        raw::BlobOf { key_id, account: ACCOUNT, persona, persona_key, version, salt: [5; 32] },
        &[],
    )
}

/// What a variant is called, what must come of it, whether the device has seen the account before
/// it is changed, and what is changed.
type Variant = (&'static str, &'static str, bool, fn(&mut Account));

const VARIANTS: &[Variant] = &[
    ("fresh", "success", false, |_| ()),
    ("seen", "success", true, |_| ()),
    ("advanced", "success", true, |it| it.advance(true)),
    ("ahead-of-floor", "success", true, |it| {
        it.advance(false);
        it.advance(false);
    }),
    ("ahead-of-floor-fresh", "success", false, |it| {
        it.advance(false);
        it.advance(false);
    }),
    ("removed", "success", true, |it| {
        it.push(PERSONA, 4, VaultKeyOf::Active, tombstone);
        it.index(PERSONA);
        it.index["counter"] = json!(6);
    }),
    ("repaired", "success", true, |it| {
        // The server lost version 3; a repair went on from 2 and named what it passed over.
        let lost = it.of(PERSONA).pop().expect("version 3");
        let superseded = json!([{ "version": 3, "label": lost.hash() }]);
        it.push(PERSONA, 5, VaultKeyOf::Active, |json| json["supersedes"] = superseded);
        it.index(PERSONA);
        it.index["counter"] = json!(6);
    }),
    ("retired-key-at-floor", "success", false, |it| {
        it.push(PERSONA, 4, VaultKeyOf::Retired, |_| ());
        it.index(PERSONA);
    }),
    ("other-account", "other-account", false, |it| {
        it.claimed = AccountId::from_bytes(*b"another account.");
    }),
    ("persona-twice", "duplicate", false, |it| it.twice = true),
    ("other-epoch", "rollback", true, |it| {
        it.epoch = EpochId::from_bytes(*b"another epoch 16");
    }),
    ("index-rolled-back", "rollback", true, |it| it.index["counter"] = json!(4)),
    ("index-forked", "forgery", true, |it| it.index["later"] = json!(1)),
    ("index-of-a-newer-keyring", "rollback", false, |it| {
        it.index["keyring_version"] = json!(2);
    }),
    ("index-under-a-retired-key", "retired-key", false, |it| it.index_key = VaultKeyOf::Retired),
    ("label-of-a-newer-keyring", "rollback", false, |it| {
        it.push(PERSONA, 4, VaultKeyOf::Active, |json| json["keyring_version"] = json!(2));
        it.index(PERSONA);
    }),
    ("persona-dropped", "rollback", false, |it| it.hidden = vec![OTHER]),
    ("seen-persona-dropped-everywhere", "rollback", true, |it| {
        it.hidden = vec![OTHER];
        it.index["objects"].as_array_mut().expect("a list").retain(|it| it["id"] == json!(PERSONA));
        it.index["counter"] = json!(6);
    }),
    ("persona-not-indexed", "forgery", false, |it| {
        it.index["objects"].as_array_mut().expect("a list").retain(|it| it["id"] == json!(PERSONA));
    }),
    ("below-mark", "rollback", true, |it| {
        it.of(PERSONA).pop();
        it.index(PERSONA);
        it.index["counter"] = json!(6);
    }),
    ("below-floor", "rollback", false, |it| {
        it.of(PERSONA).pop();
    }),
    ("forked-at-mark", "forgery", true, |it| {
        it.of(PERSONA).pop();
        it.push(PERSONA, 3, VaultKeyOf::Active, |json| json["time"] = json!(1_700_000_001));
        it.index(PERSONA);
        it.index["counter"] = json!(6);
    }),
    ("floor-forked-at-mark", "forgery", true, |it| {
        it.entry(PERSONA)["label"] = json!(world::digest("another label"));
        it.index["counter"] = json!(6);
        it.advance(false);
    }),
    ("not-the-indexed-label", "forgery", false, |it| {
        it.entry(PERSONA)["label"] = json!(world::digest("another label"));
    }),
    ("removed-in-index-only", "forgery", false, |it| {
        it.entry(PERSONA)["removed"] = json!(true);
    }),
    ("other-name-at-floor", "forgery", false, |it| it.entry(PERSONA)["name"] = json!("elsewhere")),
    ("other-kind-at-floor", "forgery", false, |it| it.entry(PERSONA)["kind"] = json!("otp")),
    ("other-name-above-floor", "forgery", true, |it| {
        it.push(PERSONA, 4, VaultKeyOf::Active, |json| json["name"] = json!("elsewhere"));
    }),
    ("other-name-within-chain", "forgery", true, |it| {
        it.push(PERSONA, 4, VaultKeyOf::Active, |json| json["name"] = json!("elsewhere"));
        it.advance(false);
    }),
    ("resurrected", "forgery", false, |it| {
        it.push(PERSONA, 4, VaultKeyOf::Active, tombstone);
        it.index(PERSONA);
        it.advance(false);
    }),
    ("retired-key-above-floor", "forgery", true, |it| {
        it.push(PERSONA, 4, VaultKeyOf::Retired, |_| ());
    }),
    ("retired-key-within-chain", "forgery", true, |it| {
        it.push(PERSONA, 4, VaultKeyOf::Retired, |_| ());
        it.advance(false);
    }),
    ("chain-with-a-gap", "forgery", true, |it| {
        it.advance(false);
        it.advance(false);
        it.held_back = vec![4];
    }),
    ("chain-in-another-order", "forgery", true, |it| {
        it.advance(false);
        it.advance(false);
        it.advance(false);
        it.swapped = true;
    }),
    ("chain-that-begins-elsewhere", "forgery", true, |it| {
        it.push(PERSONA, 4, VaultKeyOf::Active, |json| {
            json["previous"] = json!(world::digest("elsewhere"));
        });
    }),
    ("chain-without-previous", "forgery", true, |it| {
        it.push(PERSONA, 4, VaultKeyOf::Active, |json| json["previous"] = Value::Null);
    }),
    ("repair-above-floor", "forgery", true, |it| {
        let lost = it.of(PERSONA).pop().expect("version 3");
        let superseded = json!([{ "version": 3, "label": lost.hash() }]);
        it.push(PERSONA, 5, VaultKeyOf::Active, |json| json["supersedes"] = superseded);
    }),
    ("label-of-another-persona", "commitment", false, |it| {
        let label = it.newest(OTHER).clone();
        *it.of(PERSONA).last_mut().expect("each has one") =
            Labelled { json: json!({ "version": 3 }), ..label };
    }),
    ("label-of-another-version", "damaged", false, |it| {
        let (sealed, newest) = (it.of(PERSONA)[1].sealed.clone(), 2);
        it.of(PERSONA)[newest].sealed = sealed;
    }),
];

fn tombstone(json: &mut Value) {
    (json["removed"], json["content"]) = (json!(true), Value::Null);
    json["content_version"] = Value::Null;
}

pub(crate) fn cases() -> Vec<Case> {
    let variant = |(name, expect, seen, change): &Variant| {
        let mut account = Account::new(name);
        if *seen {
            account.see();
        }
        change(&mut account);
        account.case(expect)
    };
    VARIANTS.iter().map(variant).collect()
}
