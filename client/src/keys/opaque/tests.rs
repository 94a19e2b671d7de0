//! Both sides of OPAQUE in one process, and a server that lies.

use keybackup_protocol::suite::{
    KE1_LEN, KE3_LEN, NoKsf, RECORD_LEN, REGISTRATION_REQUEST_LEN, password_credential_identifier,
};
use opaque_ke::generic_array::{ArrayLength, GenericArray};
use opaque_ke::ksf::Identity;
use opaque_ke::{
    CredentialFinalization, CredentialRequest, RegistrationRequest, RegistrationUpload,
    ServerLogin, ServerLoginParameters, ServerRegistration, ServerSetup,
};
use rand08::rngs::OsRng;

use super::*;
use crate::keys::password::prepare;
use crate::secret::Password;

type Server = Suite1<NoKsf>;

fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

fn password(text: &str) -> PreparedPassword {
    prepare(&Password::new(text.into())).expect("it can be prepared")
}

fn register<K: Ksf>(
    setup: &ServerSetup<Server>,
    alice: &Address,
    password: &PreparedPassword,
) -> (Vec<u8>, ExportKey) {
    let (request, client) =
        RegistrationClient::<K>::start(&mut OsRng, alice, password).expect("a start");
    assert_eq!(request.len(), REGISTRATION_REQUEST_LEN);
    let request = RegistrationRequest::deserialize(&request).expect("a request");
    let identifier = password_credential_identifier(alice);
    let response = ServerRegistration::start(setup, request, &identifier).expect("a response");
    let (record, export_key) =
        client.finish(&mut OsRng, &response.message.serialize()).expect("a record");
    assert_eq!(record.len(), RECORD_LEN);
    (record, export_key)
}

/// The server's half of a login, as the server's crate does it.
fn ke2(
    setup: &ServerSetup<Server>,
    alice: &Address,
    record: Option<&[u8]>,
    ke1: &[u8],
    context: &[u8],
) -> (Vec<u8>, ServerLogin<Server>) {
    let record = record.map(|bytes| {
        ServerRegistration::finish(RegistrationUpload::deserialize(bytes).expect("a record"))
    });
    let parameters = ServerLoginParameters {
        context: Some(context),
        identifiers: Identifiers { client: Some(alice.as_bytes()), server: None },
    };
    let started = ServerLogin::start(
        &mut OsRng,
        setup,
        record,
        CredentialRequest::deserialize(ke1).expect("a KE1"),
        &password_credential_identifier(alice),
        parameters,
    )
    .expect("a KE2");
    (started.message.serialize().to_vec(), started.state)
}

fn login(
    setup: &ServerSetup<Server>,
    alice: &Address,
    record: Option<&[u8]>,
    typed: &str,
    context: &[u8],
) -> Result<ExportKey, OpaqueError> {
    let (ke1, client) =
        LoginClient::<Identity>::start(&mut OsRng, alice, &password(typed)).expect("a KE1");
    assert_eq!(ke1.len(), KE1_LEN);
    let (ke2, server) = ke2(setup, alice, record, &ke1, context);
    let finished = client.finish(&mut OsRng, &ke2)?;
    assert_eq!(finished.ke3.len(), KE3_LEN);
    let ke3 = CredentialFinalization::deserialize(&finished.ke3).expect("a KE3");
    let parameters = ServerLoginParameters {
        context: Some(context),
        identifiers: Identifiers { client: Some(alice.as_bytes()), server: None },
    };
    server.finish(ke3, parameters).expect("the server is content");
    Ok(finished.export_key)
}

#[test]
fn registers_and_logs_in_with_one_export_key() {
    let setup = ServerSetup::<Server>::new(&mut OsRng);
    let alice = address("alice@example.org");
    let (record, registered) = register::<Identity>(&setup, &alice, &password("secret"));
    let found = login(&setup, &alice, Some(&record), "secret", CONTEXT_PASSWORD);
    assert_eq!(found.expect("a login").expose(), registered.expose());
}

/// Holds rules 9 and 24.
#[test]
fn wrong_password_account_context_and_record_are_one_error() {
    let setup = ServerSetup::<Server>::new(&mut OsRng);
    let alice = address("alice@example.org");
    let (record, _) = register::<Identity>(&setup, &alice, &password("secret"));
    let (other, _) = register::<Identity>(&setup, &alice, &password("other"));
    for (record, typed, context) in [
        (Some(&record[..]), "Secret", CONTEXT_PASSWORD),
        (Some(&other), "secret", CONTEXT_PASSWORD),
        (None, "secret", CONTEXT_PASSWORD),
        (Some(&record), "secret", b"keybackup/1 pin"),
    ] {
        let error = login(&setup, &alice, record, typed, context).err();
        assert_eq!(error, Some(OpaqueError::WrongPassword));
    }
    // The same record behind another address: identity and password input differ.
    let bob = address("bob@example.org");
    let error = login(&setup, &bob, Some(&record), "secret", CONTEXT_PASSWORD).err();
    assert_eq!(error, Some(OpaqueError::WrongPassword));
    // Another server with the same record.
    let setup = ServerSetup::<Server>::new(&mut OsRng);
    let error = login(&setup, &alice, Some(&record), "secret", CONTEXT_PASSWORD).err();
    assert_eq!(error, Some(OpaqueError::WrongPassword));
}

/// Holds rules 5 and 11.
#[test]
fn every_flipped_bit_of_ke2_is_refused() {
    let setup = ServerSetup::<Server>::new(&mut OsRng);
    let alice = address("alice@example.org");
    let secret = password("secret");
    let (record, _) = register::<Identity>(&setup, &alice, &secret);
    // One flip a byte keeps this quick; which bit varies.
    for index in 0..KE2_LEN {
        let (ke1, client) =
            LoginClient::<Identity>::start(&mut OsRng, &alice, &secret).expect("a KE1");
        let (mut ke2, _) = ke2(&setup, &alice, Some(&record), &ke1, CONTEXT_PASSWORD);
        ke2[index] ^= 1 << (index % 8);
        let error = client.finish(&mut OsRng, &ke2).err();
        assert!(
            matches!(error, Some(OpaqueError::WrongPassword | OpaqueError::BadMessage)),
            "byte {index}: {error:?}"
        );
    }
}

/// Holds rules 5 and 6.
#[test]
fn messages_of_other_lengths_and_reflections_are_refused() {
    let alice = address("alice@example.org");
    let secret = password("secret");
    let login = || LoginClient::<Identity>::start(&mut OsRng, &alice, &secret).expect("a KE1");
    for length in [0, KE2_LEN - 1, KE2_LEN + 1] {
        let error = login().1.finish(&mut OsRng, &vec![0; length]).err();
        assert_eq!(error, Some(OpaqueError::BadMessage));
    }
    for length in [0, REGISTRATION_RESPONSE_LEN - 1, REGISTRATION_RESPONSE_LEN + 1] {
        let (_, client) =
            RegistrationClient::<Identity>::start(&mut OsRng, &alice, &secret).expect("a start");
        let error = client.finish(&mut OsRng, &vec![0; length]).err();
        assert_eq!(error, Some(OpaqueError::BadMessage));
    }
    let setup = ServerSetup::<Server>::new(&mut OsRng);
    let (record, _) = register::<Identity>(&setup, &alice, &secret);
    let (ke1, client) = login();
    let (mut reflected, _) = ke2(&setup, &alice, Some(&record), &ke1, CONTEXT_PASSWORD);
    reflected[..32].copy_from_slice(&ke1[..32]);
    assert_eq!(client.finish(&mut OsRng, &reflected).err(), Some(OpaqueError::Reflected));

    let (mut request, client) =
        RegistrationClient::<Identity>::start(&mut OsRng, &alice, &secret).expect("a start");
    request.extend_from_slice(&setup.keypair().public().serialize());
    assert_eq!(client.finish(&mut OsRng, &request).err(), Some(OpaqueError::Reflected));
}

#[derive(Default)]
struct NoMemory;

impl Ksf for NoMemory {
    fn hash<L: ArrayLength<u8>>(
        &self,
        _: GenericArray<u8, L>,
    ) -> Result<GenericArray<u8, L>, InternalError> {
        Err(InternalError::KsfError)
    }
}

#[test]
fn want_of_memory_has_its_own_error() {
    let setup = ServerSetup::<Server>::new(&mut OsRng);
    let alice = address("alice@example.org");
    let secret = password("secret");
    let (record, _) = register::<Identity>(&setup, &alice, &secret);
    let (ke1, client) = LoginClient::<NoMemory>::start(&mut OsRng, &alice, &secret).expect("a KE1");
    let (ke2, _) = ke2(&setup, &alice, Some(&record), &ke1, CONTEXT_PASSWORD);
    assert_eq!(client.finish(&mut OsRng, &ke2).err(), Some(OpaqueError::OutOfMemory));
}

#[test]
fn nothing_is_shown_of_what_waits() {
    let (alice, secret) = (address("alice@example.org"), password("secret"));
    let (_, client) = RegistrationClient::<Identity>::start(&mut OsRng, &alice, &secret)
        .expect("a registration request");
    assert_eq!(format!("{client:?}"), "RegistrationClient(..)");
    let (_, client) = LoginClient::<Identity>::start(&mut OsRng, &alice, &secret).expect("a KE1");
    assert_eq!(format!("{client:?}"), "LoginClient(..)");
}
