//! keybackup: seals persona directories on the device and keeps them at a server that can read
//! nothing. `ARCHITECTURE.md` draws the layers; each module knows only those below it:
//!
//! [`commands`] → [`vault`], [`account`] → [`marks`], [`remote`], [`archive`], [`seal`],
//! [`records`] → [`keys`] → [`secret`], with [`config`], [`profile`], [`passwords`] and [`ui`] at
//! the commands' side.

pub mod account;
pub mod archive;
pub mod cli;
pub mod commands;
pub mod config;
pub mod error;
pub mod harden;
pub mod interrupt;
pub mod keys;
pub mod marks;
pub mod passwords;
pub mod phrases;
pub mod profile;
pub mod received;
pub mod records;
pub mod remote;
pub mod seal;
pub mod secret;
pub mod spool;
pub mod ui;
pub mod vault;
