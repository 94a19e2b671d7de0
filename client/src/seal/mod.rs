//! Sealing and opening: small objects in one piece, blobs as a header and a stream of chunks.
//! Takes keys, bytes, `Read`, `Write` and a generator; knows no clock, network, zip or JSON.

mod blob;
mod chunk;
mod cipher;
mod header;
pub mod object;
pub mod padding;
mod reader;
#[cfg(test)]
mod stream_tests;
mod verify;
mod writer;

pub use blob::{BlobError, SealedBlob};
pub use header::{Header, HeaderError};
pub use object::{Binding, OpenError, SealError};
pub use reader::BlobReader;
pub use verify::verify_blob;
pub use writer::BlobWriter;

pub use crate::keys::{BlobType, ObjectType};
