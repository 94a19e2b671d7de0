//! keybackup's server: keeps sealed bytes for an account and a persona id, and lets in who knows
//! the password without ever learning it (OPAQUE, RFC 9807).
//!
//! From the outside in: [`cli`] parses the command line and [`config`] the settings; [`serve`]
//! accepts connections; [`http`] refuses malformed requests and bounds the others; the router
//! finds the handler; handlers speak to the [`store`] by its contract. [`auth`] and [`keyfile`]
//! hold what is secret. What parses a stranger's bytes first, `http::head` and `auth::opaque`, is
//! public, so that the fuzz targets reach it.

mod admin;
mod advice;
pub mod auth;
pub mod cli;
pub mod config;
mod error;
mod handlers;
mod harden;
mod health;
pub mod http;
pub mod keyfile;
mod log;
pub mod mail;
mod router;
mod serve;
mod state;
pub mod store;
#[cfg(test)]
mod tests;
mod uploading;

pub use serve::serve;
pub use state::{Clock, Server};
