//! Every sealed object damaged, in each of its parts: head, commitment, ciphertext, tag, length.

use keybackup_protocol::B64;
use keybackup_tests::{Reply, Request, Response};
use serde_json::{Value, json};

use super::victim::{LOOKS, PULLS, Victim, altered, instead, lie, route};

const RULES: &[u8] = &[3, 4, 5, 8, 11];

/// Something that is done to bytes.
type Damage = fn(&mut Vec<u8>);

/// What is done to a sealed object; `FORMAT.md` section 4 says what stands where.
pub(super) const DAMAGE: [(&str, Damage); 12] = [
    ("another version", |bytes| bytes[0] = 2),
    ("version 0", |bytes| bytes[0] = 0),
    ("another type", |bytes| bytes[1] ^= 1),
    ("another key", |bytes| bytes[2] ^= 1),
    ("another nonce", |bytes| bytes[10] ^= 1),
    ("another commitment", |bytes| bytes[34] ^= 1),
    ("a commitment of zeros", |bytes| bytes[34..66].fill(0)),
    ("another first byte", |bytes| bytes[66] ^= 1),
    ("another tag", |bytes| *bytes.last_mut().expect("not empty") ^= 1),
    ("a byte less", |bytes| bytes.truncate(bytes.len() - 1)),
    ("a byte more", |bytes| bytes.push(0)),
    ("nothing", Vec::clear),
];

/// Does it to a field of JSON.
pub(super) fn damage_text(field: &mut Value, damage: Damage) {
    let mut bytes = B64::from_text(field.as_str().expect("text")).expect("base64").0;
    damage(&mut bytes);
    *field = B64(bytes).to_text().into();
}

/// Holds rules 3, 4, 5, 8 and 11.
#[test]
fn what_is_damaged_does_not_open() {
    let victim = Victim::new();
    for (name, damage) in DAMAGE {
        let hook = altered(Request::is_listing, move |listing| {
            damage_text(&mut listing["index"]["sealed"], damage);
        });
        victim.suffers(&lie(format!("an index with {name}"), RULES, &[14], hook), LOOKS);
        for which in 0..2 {
            let hook = altered(Request::is_listing, move |listing| {
                damage_text(&mut listing["personas"][which]["label"], damage);
            });
            victim.suffers(&lie(format!("label {which} with {name}"), RULES, &[14], hook), LOOKS);
        }
        let announced = altered(Request::is_listing, |it| it["keyring_version"] = json!(2));
        let keyring = altered(route("GET", "/keyring"), move |answer| {
            answer["keyring"]["version"] = json!(2);
            damage_text(&mut answer["keyring"]["sealed"], damage);
        });
        let told = lie(format!("a newer keyring with {name}"), RULES, &[14], move |r, up| {
            if r.is_listing() { announced(r, up) } else { keyring(r, up) }
        });
        victim.suffers(&told, &[&["list"], &["push", "a"]]);
    }
}

/// What is done to a blob; `FORMAT.md` section 5.
const BLOB_DAMAGE: [(&str, usize); 12] = [
    ("magic", 0),
    ("version", 7),
    ("type", 8),
    ("key id", 9),
    ("account", 17),
    ("persona", 33),
    ("content version", 56),
    ("salt", 57),
    ("commitment", 89),
    ("first byte of the payload", 121),
    ("zip", 700),
    ("tag", usize::MAX),
];

/// Holds rules 4, 5, 11 and 12.
#[test]
fn bytes_that_are_damaged_are_not_restored() {
    const RULES: &[u8] = &[4, 5, 11, 12];
    let victim = Victim::new();
    for (name, at) in BLOB_DAMAGE {
        let hook = instead(Request::is_blob, move |_, mut response: Response| {
            let last = response.body.len() - 1;
            response.body[at.min(last)] ^= 1;
            Reply::Answer(response)
        });
        let told = lie(format!("bytes with another {name}"), RULES, &[14], hook);
        victim.suffers(&told, PULLS);
    }
}
