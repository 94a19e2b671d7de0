//! What the fuzz targets do with their bytes, one module a target: `run` asserts what must hold of
//! any input, and tells whether something in it was taken. `tests/fuzz/` runs these bodies under
//! libFuzzer; the test `fuzz` runs the same over the committed corpus.

pub mod archive;
pub mod header;
pub mod http_head;
pub mod index;
pub mod label;
pub mod object;
pub mod opaque;
pub mod seeds;
pub mod state;
pub mod stream;
pub mod terminal;

mod foreign;
mod input;
#[path = "../../../client/examples/vectors/raw.rs"]
mod raw;
mod records;
mod rules;
mod scratch;
mod world;

/// A target: its name, and what it does with an input. True if something in it was taken.
pub type Target = (&'static str, fn(&[u8]) -> bool);

/// All targets.
pub const TARGETS: [Target; 10] = [
    ("header", header::run),
    ("stream", stream::run),
    ("object", object::run),
    ("label", label::run),
    ("index", index::run),
    ("archive", archive::run),
    ("http_head", http_head::run),
    ("opaque", opaque::run),
    ("state", state::run),
    ("terminal", terminal::run),
];
