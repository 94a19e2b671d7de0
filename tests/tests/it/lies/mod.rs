//! A server that lies: it speaks our API over a true store, and lies in one way at a time. Each
//! file is a topic with its table of lies; `victim.rs` is what they all are told to.

mod answers;
mod blobs;
mod bodies;
mod caches;
mod commits;
mod damage;
mod history;
mod json;
mod login;
mod opaque;
mod pages;
mod password;
mod programs;
mod redirects;
mod refusals;
mod registering;
mod suites;
mod swaps;
mod terminal;
mod victim;
