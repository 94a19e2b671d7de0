//! `SQLite`: how connections are opened, and the threads that use them.

pub(crate) mod migrate;
pub(crate) mod open;
pub(crate) mod reader;
pub(crate) mod writer;
