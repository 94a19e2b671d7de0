//! Derivations: the function itself, every key of the tree, key stretching, OPAQUE's input.

use keybackup::keys::ksf::{PasswordKsf, PinKsf};
use keybackup::keys::{self, Label, derive, password};
use keybackup::secret::{DerivedKey, ExportKey, Password, Phrase, RootKey, VaultKey};
use keybackup_protocol::suite::{CONTEXT_PASSWORD, CONTEXT_PIN};
use keybackup_protocol::{KeyId, PersonaId};

use crate::case::{Case, VectorRng};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = derivations();
    cases.extend(tree());
    cases.extend(stretching());
    cases.extend(opaque_inputs());
    cases
}

fn derivations() -> Vec<Case> {
    let case = |name, salt: &[u8], label: Label, context: &[&[u8]]| {
        let key = DerivedKey::<32>::generate(&mut VectorRng::of(name));
        let output = derive::<83>(key.expose(), salt, label, context);
        let case = Case::new("derive", name, "success")
            .bytes("key", key.expose())
            .bytes("salt", salt)
            .text("label", label.text());
        let case = context.iter().fold(case, |case, field| case.bytes("context", field));
        case.body(*output.expose())
    };
    vec![
        case("no-salt", b"", Label::RootProof, &[]),
        case("salt", &[9; 32], Label::Blob, &[]),
        case("one-context", b"", Label::Persona, &[b"sixteen byte id."]),
        case("two-contexts", b"", Label::Persona, &[b"ab", b"c"]),
        case("other-border", b"", Label::Persona, &[b"a", b"bc"]),
        case("empty-context", b"", Label::Persona, &[b""]),
    ]
}

fn tree() -> Vec<Case> {
    let mut rng = VectorRng::of("tree");
    let export_key = ExportKey::generate(&mut rng);
    let phrase = Phrase::generate(&mut rng);
    let root = RootKey::generate(&mut rng);
    let vault = VaultKey::new(KeyId::from_bytes([1; 8]), DerivedKey::generate(&mut rng));
    let persona = PersonaId::from_bytes([2; 16]);
    let persona_key = keys::persona_key(&vault, persona);
    let root_proof = keys::root_proof(&root);
    let phrase_proof = keys::phrase_proof(&phrase);
    let case = |name, from: &[u8], key: &[u8]| {
        let case = Case::new("tree", name, "success").text("name", name);
        case.bytes("from", from).bytes("key", key)
    };
    vec![
        case("password-slot", export_key.expose(), keys::password_slot_key(&export_key).expose()),
        case("recovery-slot", phrase.expose(), keys::recovery_slot_key(&phrase).expose()),
        case("keyring", root.expose(), keys::keyring_key(&root).expose()),
        case("root-proof", root.expose(), root_proof.expose()),
        case("root-verifier", root_proof.expose(), &keys::verifier(&root_proof)),
        case("phrase-proof", phrase.expose(), phrase_proof.expose()),
        case("phrase-verifier", phrase_proof.expose(), &keys::verifier(&phrase_proof)),
        case("persona", vault.expose(), persona_key.expose()).bytes("persona", persona.as_bytes()),
        case("label", persona_key.expose(), keys::label_key(&persona_key).expose()),
        case("index", vault.expose(), keys::index_key(&vault).expose()),
        case("device-record", vault.expose(), keys::device_record_key(&vault).expose()),
        case("token-record", vault.expose(), keys::token_record_key(&vault).expose()),
        case("local-state", vault.expose(), keys::local_state_key(&vault).expose()),
        case("stat-cache", vault.expose(), keys::stat_cache_key(&vault).expose()),
        case("parcel", vault.expose(), keys::parcel_key(&vault).expose()),
    ]
}

fn stretching() -> Vec<Case> {
    let input: [u8; 64] = std::array::from_fn(|at| u8::try_from(at).expect("64 fits"));
    let (mut password, mut pin) = ([0; 64], [0; 64]);
    PasswordKsf::default().stretch(&input, &mut password).expect("256 MiB can be had");
    PinKsf::default().stretch(&input, &mut pin).expect("64 MiB can be had");
    [("password", 256, password), ("pin", 64, pin)]
        .map(|(name, mebibytes, output)| {
            Case::new("ksf", name, "success")
                .text("mebibytes", mebibytes)
                .bytes("input", &input)
                .body(output)
        })
        .into()
}

fn opaque_inputs() -> Vec<Case> {
    let typed = "correct horse battery staple";
    let prepared = password::prepare(&Password::new(typed.into())).expect("it is allowed");
    [
        ("password", CONTEXT_PASSWORD, &b"alice@example.org"[..]),
        ("other-account", CONTEXT_PASSWORD, b"bob@example.org"),
        ("pin", CONTEXT_PIN, &[7; 16]),
    ]
    .map(|(name, context, identity)| {
        Case::new("opaque-input", name, "success")
            .bytes("context", context)
            .bytes("identity", identity)
            .text("prepared", typed)
            .body(*password::opaque_input(context, identity, &prepared).expose())
    })
    .into()
}
