//! The client's side of OPAQUE-3DH (RFC 9807) in suite 1, generic over the key stretching so that
//! tests can be quick. The program instantiates it with [`PasswordKsf`](super::ksf::PasswordKsf).

use std::fmt;

use keybackup_protocol::Address;
use keybackup_protocol::suite::{CONTEXT_PASSWORD, KE2_LEN, REGISTRATION_RESPONSE_LEN, Suite1};
use opaque_ke::errors::{InternalError, ProtocolError};
use opaque_ke::ksf::Ksf;
use opaque_ke::{
    ClientLogin, ClientLoginFinishParameters, ClientRegistration,
    ClientRegistrationFinishParameters, CredentialResponse, Identifiers, RegistrationResponse,
};
use rand08::{CryptoRng, RngCore};
use zeroize::Zeroize as _;

use super::password::opaque_input;
use crate::secret::{DerivedKey, ExportKey, PreparedPassword};

/// Why a registration or login did not finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpaqueError {
    /// The password is wrong, or the account unknown, or record, server key or messages are not
    /// what was registered: OPAQUE can't tell these apart, and must not.
    #[error("the password does not fit the account")]
    WrongPassword,
    /// The memory for key stretching can't be had here.
    #[error("not enough memory to stretch the password")]
    OutOfMemory,
    /// The server's message is not one of this suite.
    #[error("the server's message is not one of OPAQUE")]
    BadMessage,
    /// The server sent our own message back, which would make it learn the stretched password.
    #[error("the server reflects messages")]
    Reflected,
}

impl From<ProtocolError> for OpaqueError {
    fn from(error: ProtocolError) -> Self {
        match error {
            ProtocolError::InvalidLoginError => Self::WrongPassword,
            // The stretching functions of this crate fail for no other reason.
            ProtocolError::LibraryError(InternalError::KsfError) => Self::OutOfMemory,
            ProtocolError::ReflectedValueError => Self::Reflected,
            ProtocolError::LibraryError(_)
            | ProtocolError::SerializationError
            | ProtocolError::SizeError { .. } => Self::BadMessage,
            ProtocolError::Custom(never) => match never {},
        }
    }
}

/// What both sides of a password's life bind into it.
struct Credential {
    identity: Vec<u8>,
    input: DerivedKey<64>,
}

impl Credential {
    fn of_password(address: &Address, password: &PreparedPassword) -> Self {
        let identity = address.as_bytes().to_vec();
        let input = opaque_input(CONTEXT_PASSWORD, &identity, password);
        Self { identity, input }
    }

    /// The server's identity stays RFC 9807's default, its public key.
    fn identifiers(&self) -> Identifiers<'_> {
        Identifiers { client: Some(&self.identity), server: None }
    }
}

/// A registration that waits for the server's response.
pub struct RegistrationClient<K: Ksf> {
    credential: Credential,
    state: ClientRegistration<Suite1<K>>,
}

impl<K: Ksf> RegistrationClient<K> {
    /// The registration request to send (32 bytes), and what waits for its response.
    pub fn start(
        rng: &mut (impl RngCore + CryptoRng),
        address: &Address,
        password: &PreparedPassword,
    ) -> Result<(Vec<u8>, Self), OpaqueError> {
        let credential = Credential::of_password(address, password);
        let started = ClientRegistration::start(rng, credential.input.expose())?;
        let request = started.message.serialize().to_vec();
        Ok((request, Self { credential, state: started.state }))
    }

    /// Stretches, then gives the record to send (192 bytes) and the export key.
    pub fn finish(
        self,
        rng: &mut (impl RngCore + CryptoRng),
        response: &[u8],
    ) -> Result<(Vec<u8>, ExportKey), OpaqueError> {
        if response.len() != REGISTRATION_RESPONSE_LEN {
            return Err(OpaqueError::BadMessage);
        }
        let response = RegistrationResponse::deserialize(response)?;
        let ksf = K::default();
        let parameters =
            ClientRegistrationFinishParameters::new(self.credential.identifiers(), Some(&ksf));
        let input = self.credential.input.expose();
        let mut finished = self.state.finish(rng, input, response, parameters)?;
        Ok((finished.message.serialize().to_vec(), take_export_key(&mut finished.export_key)))
    }
}

/// A login that waits for KE2.
pub struct LoginClient<K: Ksf> {
    credential: Credential,
    state: ClientLogin<Suite1<K>>,
}

/// A login that the server's key has been authenticated in.
pub struct LoginFinished {
    /// KE3 to send, 64 bytes.
    pub ke3: Vec<u8>,
    /// Opens the password slot.
    pub export_key: ExportKey,
}

impl<K: Ksf> LoginClient<K> {
    /// KE1 to send (96 bytes), and what waits for KE2.
    pub fn start(
        rng: &mut (impl RngCore + CryptoRng),
        address: &Address,
        password: &PreparedPassword,
    ) -> Result<(Vec<u8>, Self), OpaqueError> {
        let credential = Credential::of_password(address, password);
        let started = ClientLogin::start(rng, credential.input.expose())?;
        let ke1 = started.message.serialize().to_vec();
        Ok((ke1, Self { credential, state: started.state }))
    }

    /// Stretches, then opens KE2. After an error nothing must be sent that depends on it.
    pub fn finish(
        self,
        rng: &mut (impl RngCore + CryptoRng),
        ke2: &[u8],
    ) -> Result<LoginFinished, OpaqueError> {
        if ke2.len() != KE2_LEN {
            return Err(OpaqueError::BadMessage);
        }
        let response = CredentialResponse::deserialize(ke2)?;
        let ksf = K::default();
        let parameters = ClientLoginFinishParameters::new(
            Some(CONTEXT_PASSWORD),
            self.credential.identifiers(),
            Some(&ksf),
        );
        let input = self.credential.input.expose();
        let mut finished = self.state.finish(rng, input, response, parameters)?;
        finished.session_key.as_mut_slice().zeroize();
        Ok(LoginFinished {
            ke3: finished.message.serialize().to_vec(),
            export_key: take_export_key(&mut finished.export_key),
        })
    }
}

impl<K: Ksf> fmt::Debug for RegistrationClient<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RegistrationClient(..)")
    }
}

impl<K: Ksf> fmt::Debug for LoginClient<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginClient(..)")
    }
}

/// Moves the key to where it stays and wipes where it was.
fn take_export_key(bytes: &mut [u8]) -> ExportKey {
    let key = ExportKey::from_slice(bytes).expect("SHA-512 gives an export key of 64 bytes");
    bytes.zeroize();
    key
}

#[cfg(test)]
mod tests;
