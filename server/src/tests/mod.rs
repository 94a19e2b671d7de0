//! The server over a real socket and a real store, with an in-process client.

mod access;
mod admin;
mod codes;
mod deletion;
mod granted;
mod harness;
mod limits;
mod login;
mod malformed;
mod matrix;
mod password;
mod personas;
mod reset_page;
mod resumed;
mod slow;
mod uploads;
mod world;
