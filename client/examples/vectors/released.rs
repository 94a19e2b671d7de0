//! What a release promises: a line `SHA-256  file` for each vector, as `sha256sum -c` reads it.

use sha2::{Digest as _, Sha256};

/// Where the lines stand, below the directory of the vectors.
pub(crate) const MANIFEST: &str = "RELEASED.sha256";

/// The line of a vector.
pub(crate) fn line(file: &str, text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    format!("{hash:x}  {file}\n")
}
