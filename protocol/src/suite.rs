//! Suite 1: OPAQUE-3DH over ristretto255-SHA-512 (RFC 9807), and the strings bound into it.
//!
//! The key stretching function is the client's alone, so the cipher suite is generic over it;
//! a server instantiates it with [`NoKsf`], which can't be run.

use std::marker::PhantomData;

use opaque_ke::ksf::Ksf;
use opaque_ke::{CipherSuite, Ristretto255, TripleDh};

use crate::Address;
use crate::encoding::put_lp;
use crate::ids::DeviceId;

/// The number of this suite; a client refuses every other before it sends a byte derived from
/// the password.
pub const SUITE: u8 = 1;

/// OPAQUE context of password logins, registrations and changes.
pub const CONTEXT_PASSWORD: &[u8] = b"keybackup/1 password";

/// OPAQUE context of PIN logins.
pub const CONTEXT_PIN: &[u8] = b"keybackup/1 pin";

/// Length in bytes of a KE1 message (`CredentialRequest`).
pub const KE1_LEN: usize = 96;
/// Length in bytes of a KE2 message (`CredentialResponse`).
pub const KE2_LEN: usize = 320;
/// Length in bytes of a KE3 message (`CredentialFinalization`).
pub const KE3_LEN: usize = 64;
/// Length in bytes of a registration request.
pub const REGISTRATION_REQUEST_LEN: usize = 32;
/// Length in bytes of a registration response.
pub const REGISTRATION_RESPONSE_LEN: usize = 64;
/// Length in bytes of a registration record (`RegistrationUpload`).
pub const RECORD_LEN: usize = 192;

/// OPAQUE-3DH with ristretto255 and SHA-512 for both OPRF and key exchange.
#[derive(Debug)]
pub struct Suite1<K>(PhantomData<K>);

impl<K: Ksf> CipherSuite for Suite1<K> {
    type OprfCs = Ristretto255;
    type KeyExchange = TripleDh<Ristretto255, sha2::Sha512>;
    type Ksf = K;
}

/// The key stretching function of a party that must never stretch: running it is an error.
#[derive(Debug, Default)]
pub struct NoKsf;

impl Ksf for NoKsf {
    fn hash<L: opaque_ke::generic_array::ArrayLength<u8>>(
        &self,
        _: opaque_ke::generic_array::GenericArray<u8, L>,
    ) -> Result<opaque_ke::generic_array::GenericArray<u8, L>, opaque_ke::errors::InternalError>
    {
        Err(opaque_ke::errors::InternalError::KsfError)
    }
}

/// The credential identifier of an account's password: `lp("password") ‖ lp(address)`.
/// A constant function of the address, known or not, so that the OPRF key of an address does not
/// change when it registers.
pub fn password_credential_identifier(address: &Address) -> Vec<u8> {
    let mut identifier = Vec::new();
    put_lp(&mut identifier, b"password");
    put_lp(&mut identifier, address.as_bytes());
    identifier
}

/// The credential identifier of a device's PIN: `lp("pin") ‖ lp(device id)`.
pub fn pin_credential_identifier(device: &DeviceId) -> Vec<u8> {
    let mut identifier = Vec::new();
    put_lp(&mut identifier, b"pin");
    put_lp(&mut identifier, device.as_bytes());
    identifier
}
