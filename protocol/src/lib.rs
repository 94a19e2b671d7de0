//! What the keybackup client and server must agree on, and nothing else: ids, encodings, the
//! OPAQUE suite, limits, routes, and the shapes of requests and answers. `API.md` beside this
//! crate says the same in prose, for who writes another client or server.

pub mod address;
pub mod api;
pub mod encoding;
pub mod ids;
pub mod limits;
pub mod routes;
pub mod suite;

pub use address::{Address, AddressError};
pub use encoding::{B64, DecodeError, Reader, put_lp};
pub use ids::{AccountId, DeviceId, EpochId, IdError, KeyId, PersonaId, SessionId, UploadId};
