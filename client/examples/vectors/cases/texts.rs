//! Passwords, addresses, recovery phrases: what people type, and what is made of it.

use keybackup::keys::{password, phrase};
use keybackup::secret::{Password, Phrase};
use keybackup_protocol::Address;

use crate::case::Case;

pub(crate) fn cases() -> Vec<Case> {
    [passwords(), addresses(), phrases()].into_iter().flatten().collect()
}

fn passwords() -> Vec<Case> {
    let good = [
        ("ascii", "correct horse battery staple"),
        ("case-is-kept", "Correct Horse"),
        ("leading-space", " x "),
        ("no-break-space", "a\u{a0}b"),
        ("ideographic-space", "a\u{3000}b"),
        ("ogham-space", "foo\u{1680}bar"),
        ("decomposed", "u\u{308}"),
        ("angstrom", "\u{212b}"),
        ("ligature-is-kept", "ﬁ"),
        ("hangul-jamo", "\u{1112}\u{1161}\u{11ab}"),
        ("emoji-sequence", "👩\u{200d}🔧"),
        ("persian-non-joiner", "می\u{200c}خواهم"),
        ("grows-by-nfc", "\u{1d160}"),
    ]
    .map(|(name, typed)| {
        let prepared = password::prepare(&Password::new(typed.into())).expect("it is allowed");
        Case::new("password", name, "success")
            .bytes("prepared", prepared.expose().as_bytes())
            .body(typed)
    });
    let long = "a".repeat(password::MAX_PASSWORD_BYTES + 1);
    let bad = [
        ("empty", "empty", ""),
        ("too-long", "too-long", &long),
        ("tab", "forbidden", "a\tb"),
        ("nul", "forbidden", "a\0"),
        ("c1-control", "forbidden", "\u{85}"),
        ("soft-hyphen", "forbidden", "a\u{ad}b"),
        ("bom", "forbidden", "\u{feff}a"),
        ("line-separator", "forbidden", "\u{2028}"),
        ("paragraph-separator", "forbidden", "\u{2029}"),
        ("private-use", "forbidden", "\u{e000}"),
        ("unassigned", "forbidden", "\u{378}"),
        ("noncharacter", "forbidden", "\u{fdd0}"),
        ("tag-character", "forbidden", "\u{e0041}"),
    ]
    .map(|(name, expect, typed)| Case::new("password", name, expect).body(typed));
    good.into_iter().chain(bad).collect()
}

fn addresses() -> Vec<Case> {
    let good = [
        ("case-and-space", " Alice@Example.ORG\n"),
        ("tag-and-dots-are-kept", "a.b+tag@example.org"),
        ("unicode-domain", "bob@Bücher.example"),
        ("single-label", "root@localhost"),
    ]
    .map(|(name, typed)| {
        let address: Address = typed.parse().expect("it is one");
        Case::new("address", name, "success").text("address", address.as_str()).body(typed)
    });
    let bad = [
        ("no-at", "form", "alice"),
        ("no-local", "form", "@example.org"),
        ("cyrillic-local", "local", "аlice@example.org"),
        ("newline-in-local", "local", "a\r\nb@example.org"),
        ("quoted-local", "local", "\"a b\"@example.org"),
        ("dot-first", "local", ".a@example.org"),
        ("empty-label", "domain", "a@example..org"),
        ("address-literal", "domain", "a@[127.0.0.1]"),
        ("bracket", "domain", "a@example.org>"),
    ]
    .map(|(name, expect, typed)| Case::new("address", name, expect).body(typed));
    good.into_iter().chain(bad).collect()
}

fn phrases() -> Vec<Case> {
    let zeros = "abandon abandon abandon abandon abandon abandon \
                 abandon abandon abandon abandon abandon about";
    let counting = Phrase::from_slice(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
        .expect("16 bytes");
    let counting = phrase::text(&counting);
    let shouted = format!("\t{}\r\n", counting.to_uppercase().replace(' ', "  \n"));
    let good = [
        ("zeros", zeros),
        ("ones", "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong"),
        ("counting", &counting),
        ("case-and-white-space", &shouted),
    ]
    .map(|(name, typed)| {
        let entropy = phrase::parse(typed).expect("it is one");
        Case::new("phrase", name, "success").bytes("entropy", entropy.expose()).body(typed)
    });
    let bad = [
        ("eleven-words", "word-count", zeros.rsplit_once(' ').expect("there are spaces").0.into()),
        ("fifteen-words", "word-count", format!("{zeros} zoo zoo zoo")),
        ("unknown-word", "unknown-word", zeros.replace("about", "hunter")),
        ("bad-checksum", "checksum", zeros.replace("about", "abandon")),
        ("swapped-words", "checksum", "wrong zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo".into()),
        ("kelvin-sign", "unknown-word", zeros.replace("about", "\u{212a}ey")),
    ]
    .map(|(name, expect, typed)| Case::new("phrase", name, expect).body(typed));
    good.into_iter().chain(bad).collect()
}
