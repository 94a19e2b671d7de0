//! What is not sealed: encodings, texts, derivations.

use keybackup::keys::ksf::{PasswordKsf, PinKsf};
use keybackup::keys::password::PreparationError;
use keybackup::keys::phrase::PhraseError;
use keybackup::keys::{self, Label, derive};
use keybackup::seal::padding;
use keybackup::secret::{
    DerivedKey, ExportKey, Password, PersonaKey, Phrase, PreparedPassword, Proof, RootKey, VaultKey,
};
use keybackup_protocol::{Address, AddressError, DecodeError, KeyId, PersonaId, Reader, put_lp};

use crate::vector::{Vector, Verdict};

pub(crate) fn lp(vector: &Vector) -> Verdict {
    let slug = |error| match error {
        DecodeError::Truncated => "truncated".to_owned(),
        DecodeError::Trailing => "trailing".to_owned(),
    };
    let mut reader = Reader::new(vector.body());
    let value = reader.lp().map_err(slug)?;
    reader.end().map_err(slug)?;
    assert_eq!(value, vector.bytes("value"));
    let mut encoded = Vec::new();
    put_lp(&mut encoded, value);
    assert_eq!(encoded, vector.body());
    Ok(())
}

pub(crate) fn padme(vector: &Vector) {
    assert_eq!(padding::padme(vector.number("bytes")), vector.number("padded"));
}

pub(crate) fn blob_length(vector: &Vector) {
    let blob_bytes = padding::blob_bytes(vector.number("zip-bytes"));
    assert_eq!(blob_bytes, vector.number("blob-bytes"));
}

pub(crate) fn fingerprint(vector: &Vector) {
    assert_eq!(blake3::hash(vector.body()).as_bytes()[..], vector.bytes("fingerprint"));
}

fn typed(vector: &Vector) -> String {
    String::from_utf8(vector.body().to_vec()).expect("people type Unicode")
}

fn prepare(typed: String) -> Result<PreparedPassword, PreparationError> {
    keys::password::prepare(&Password::new(typed))
}

pub(crate) fn password(vector: &Vector) -> Verdict {
    let prepared = prepare(typed(vector)).map_err(|error| match error {
        PreparationError::Empty => "empty",
        PreparationError::TooLong => "too-long",
        PreparationError::Forbidden { .. } => "forbidden",
        other => panic!("no slug for {other:?}"),
    })?;
    assert_eq!(prepared.expose().as_bytes(), vector.bytes("prepared"));
    Ok(())
}

pub(crate) fn address(vector: &Vector) -> Verdict {
    let address: Address = typed(vector).parse().map_err(|error| match error {
        AddressError::Form => "form",
        AddressError::Local => "local",
        AddressError::Domain => "domain",
        AddressError::Length => "length",
    })?;
    assert_eq!(address.as_str(), vector.text("address"));
    Ok(())
}

pub(crate) fn phrase(vector: &Vector) -> Verdict {
    let phrase = keys::phrase::parse(&typed(vector)).map_err(|error| match error {
        PhraseError::WordCount { .. } => "word-count",
        PhraseError::UnknownWord { .. } => "unknown-word",
        PhraseError::Checksum => "checksum",
        other => panic!("no slug for {other:?}"),
    })?;
    assert_eq!(phrase.expose()[..], vector.bytes("entropy"));
    let words = keys::phrase::words(&phrase);
    let typed = typed(vector).to_lowercase();
    assert!(typed.split_whitespace().eq(words), "the words come back");
    Ok(())
}

pub(crate) fn derivation(vector: &Vector) {
    let labels = [Label::RootProof, Label::Blob, Label::Persona];
    let label = labels.into_iter().find(|label| label.text() == vector.text("label"));
    let context: Vec<_> = vector.all("context").iter().map(|hex| hex_bytes(hex)).collect();
    let context: Vec<&[u8]> = context.iter().map(Vec::as_slice).collect();
    let output = derive::<83>(
        &vector.bytes("key"),
        &vector.bytes("salt"),
        label.expect("the label is one of suite 1"),
        &context,
    );
    assert_eq!(output.expose()[..], *vector.body());
}

fn hex_bytes(text: &str) -> Vec<u8> {
    let pair = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal");
    (0..text.len()).step_by(2).map(pair).collect()
}

pub(crate) fn tree(vector: &Vector) {
    let from = vector.bytes("from");
    let secret = || DerivedKey::<32>::from_slice(&from).expect("32 bytes");
    let id = KeyId::from_bytes([1; 8]);
    let vault = || VaultKey::new(id, secret());
    let persona = |id_of| PersonaKey::new(id, id_of, secret());
    let phrase = || Phrase::from_slice(&from).expect("16 bytes");
    let root = || RootKey::from(secret());
    let key = vector.array::<32>("key");
    let found = match vector.text("name") {
        "persona" => {
            let id = vector.text("persona").parse().expect("an id");
            *keys::persona_key(&vault(), id).expose()
        }
        "password-slot" => {
            let export_key = ExportKey::from_slice(&from).expect("64 bytes");
            *keys::password_slot_key(&export_key).expose()
        }
        "recovery-slot" => *keys::recovery_slot_key(&phrase()).expose(),
        "keyring" => *keys::keyring_key(&root()).expose(),
        "root-proof" => *keys::root_proof(&root()).expose(),
        "phrase-proof" => *keys::phrase_proof(&phrase()).expose(),
        "root-verifier" | "phrase-verifier" => keys::verifier(&Proof::from(secret())),
        "label" => *keys::label_key(&persona(PersonaId::from_bytes([2; 16]))).expose(),
        "index" => *keys::index_key(&vault()).expose(),
        "device-record" => *keys::device_record_key(&vault()).expose(),
        "token-record" => *keys::token_record_key(&vault()).expose(),
        "local-state" => *keys::local_state_key(&vault()).expose(),
        "stat-cache" => *keys::stat_cache_key(&vault()).expose(),
        "parcel" => *keys::parcel_key(&vault()).expose(),
        other => panic!("no such key: {other}"),
    };
    assert_eq!(found, key);
}

pub(crate) fn stretching(vector: &Vector) {
    let (input, mut output) = (vector.array("input"), [0; 64]);
    let stretched = match vector.number("mebibytes") {
        256 => PasswordKsf::default().stretch(&input, &mut output),
        64 => PinKsf::default().stretch(&input, &mut output),
        other => panic!("no such cost: {other} MiB"),
    };
    stretched.expect("the memory can be had");
    assert_eq!(output[..], *vector.body());
}

pub(crate) fn opaque_input(vector: &Vector) {
    let prepared = prepare(vector.text("prepared").to_owned()).expect("it is allowed");
    let (context, identity) = (vector.bytes("context"), vector.bytes("identity"));
    let input = keys::password::opaque_input(&context, &identity, &prepared);
    assert_eq!(input.expose()[..], *vector.body());
}
