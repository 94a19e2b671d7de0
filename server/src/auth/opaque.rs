//! The server's side of OPAQUE (RFC 9807) over suite 1, and that unknown addresses cost the same
//! work as known ones.

use keybackup_protocol::Address;
use keybackup_protocol::suite::{
    CONTEXT_PASSWORD, KE1_LEN, KE3_LEN, NoKsf, RECORD_LEN, REGISTRATION_REQUEST_LEN, Suite1,
    password_credential_identifier,
};
use opaque_ke::errors::ProtocolError;
use opaque_ke::{
    CredentialFinalization, CredentialRequest, Identifiers, RegistrationRequest, ServerLogin,
    ServerLoginParameters, ServerRegistration,
};
use rand08::RngCore as _;
use rand08::rngs::OsRng;
use zeroize::Zeroizing;

use crate::keyfile::{OpaqueSetup, ServerKey};
use crate::store::Credential;

type Suite = Suite1<NoKsf>;

/// Why a message is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpaqueError {
    /// Not a message of the suite.
    #[error("an OPAQUE message is malformed")]
    Malformed,
    /// The login failed; nothing tells why.
    #[error("the login failed")]
    Refused,
    /// A record that was stored, or the library, is at fault.
    #[error("OPAQUE failed at the server")]
    Failed(#[source] ProtocolError),
}

/// A well-formed record of nobody. It is parsed wherever there is none: opaque-ke parses only
/// what it is given, and those 5 µs tell registered addresses from others (CRATES, "opaque-ke").
pub struct DummyRecord([u8; RECORD_LEN]);

impl DummyRecord {
    /// A random one.
    pub fn generate() -> Self {
        let mut record = [0; RECORD_LEN];
        OsRng.fill_bytes(&mut record);
        let public = OpaqueSetup::new(&mut OsRng).keypair().public().serialize();
        record[..public.len()].copy_from_slice(&public);
        Self(record)
    }
}

/// A registration's first message, parsed before anything is counted or looked up.
pub struct Blinded(RegistrationRequest<Suite>);

impl Blinded {
    /// Parses it.
    pub fn parse(request: &[u8]) -> Result<Self, OpaqueError> {
        if request.len() != REGISTRATION_REQUEST_LEN {
            return Err(OpaqueError::Malformed);
        }
        RegistrationRequest::deserialize(request).map(Self).map_err(|_| OpaqueError::Malformed)
    }
}

/// Registration, or a new password, first message: the OPRF evaluated for this address.
pub fn registration_response(
    key: &ServerKey,
    address: &Address,
    request: Blinded,
) -> Result<Vec<u8>, OpaqueError> {
    let identifier = password_credential_identifier(address);
    let started = ServerRegistration::start(key.current_setup().opaque(), request.0, &identifier)
        .map_err(OpaqueError::Failed)?;
    Ok(started.message.serialize().to_vec())
}

/// Registration, last message: whether the record could ever be logged in to.
pub fn check_record(record: &[u8]) -> Result<(), OpaqueError> {
    if record.len() != RECORD_LEN {
        return Err(OpaqueError::Malformed);
    }
    ServerRegistration::<Suite>::deserialize(record).map(drop).map_err(|_| OpaqueError::Malformed)
}

/// KE1, parsed before anything is counted or looked up.
pub struct Ke1(CredentialRequest<Suite>);

impl Ke1 {
    /// Parses it.
    pub fn parse(ke1: &[u8]) -> Result<Self, OpaqueError> {
        if ke1.len() != KE1_LEN {
            return Err(OpaqueError::Malformed);
        }
        CredentialRequest::deserialize(ke1).map(Self).map_err(|_| OpaqueError::Malformed)
    }
}

/// What a login's first message gives.
pub struct LoginStarted {
    /// For the client.
    pub ke2: Vec<u8>,
    /// For the ticket.
    pub state: Zeroizing<Vec<u8>>,
}

/// Login, first message. Without a credential the answer is RFC 9807's dummy one (section 6.3.2.2),
/// at the same cost.
pub fn login_start(
    setup: &OpaqueSetup,
    dummy: &DummyRecord,
    address: &Address,
    credential: Option<&Credential>,
    ke1: Ke1,
) -> Result<LoginStarted, OpaqueError> {
    let bytes = credential.map_or(&dummy.0[..], |credential| &credential.record);
    let record = ServerRegistration::deserialize(bytes).map_err(OpaqueError::Failed)?;
    // opaque-ke makes a record of its own where it is given none, which takes other time. This one is
    // RFC 9807's: a public key whose secret nobody has, and a random masking key.
    let identifier = password_credential_identifier(address);
    let started = ServerLogin::start(
        &mut OsRng,
        setup,
        Some(record),
        ke1.0,
        &identifier,
        parameters(address),
    )
    .map_err(OpaqueError::Failed)?;
    let state = Zeroizing::new(started.state.serialize().to_vec());
    Ok(LoginStarted { ke2: started.message.serialize().to_vec(), state })
}

/// Login, last message: whether KE3 proves the password. Everything wrong is one error.
pub fn login_finish(state: &[u8], ke3: &[u8]) -> Result<(), OpaqueError> {
    // A length of its own answer would tell good tickets from bad ones.
    if ke3.len() != KE3_LEN {
        return Err(OpaqueError::Refused);
    }
    let failed = |_| OpaqueError::Refused;
    let login = ServerLogin::<Suite>::deserialize(state).map_err(failed)?;
    let ke3 = CredentialFinalization::deserialize(ke3).map_err(failed)?;
    // 3DH has bound context and identities into the state's expected MAC already.
    login.finish(ke3, ServerLoginParameters::default()).map(drop).map_err(failed)
}

fn parameters(address: &Address) -> ServerLoginParameters<'_, '_> {
    ServerLoginParameters {
        context: Some(CONTEXT_PASSWORD),
        // The server's identity is RFC 9807's default: its public key.
        identifiers: Identifiers { client: Some(address.as_bytes()), server: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds rule 23.
    #[test]
    fn the_dummy_record_parses() {
        check_record(&DummyRecord::generate().0).expect("a public key and any bytes");
        assert!(check_record(&[0; RECORD_LEN]).is_err(), "the identity is no public key");
        assert!(check_record(&[1; 10]).is_err());
    }
}
