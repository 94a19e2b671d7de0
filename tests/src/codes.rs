//! Codes that a server would have mailed, put into its database with its own key.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};

use keybackup_server::keyfile::ServerKey;
use keybackup_server::store::CodePurpose;

use crate::Server;

impl Server {
    /// Has a code mailed to an address for a reset, but for the mail.
    pub fn plant_reset_code(&self, email: &str) -> String {
        self.plant_code(email, CodePurpose::Reset)
    }

    /// The same for what undoes a change of the address.
    pub fn plant_undo_code(&self, email: &str) -> String {
        self.plant_code(email, CodePurpose::UndoAddress)
    }

    fn plant_code(&self, email: &str, purpose: CodePurpose) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let mut code = format!("7K2MX{:05}", NUMBER.fetch_add(1, Ordering::Relaxed));
        if purpose == CodePurpose::UndoAddress {
            code += "7K2MX7K2MX7K2MX";
        }
        let key = ServerKey::open_existing(self.data(), None).expect("the server made it");
        let address = key.address_tag(&email.parse().expect("an address"));
        let tag = key.code_tag(purpose, address, code.as_bytes());
        let hex = |bytes: &[u8]| {
            bytes.iter().fold(String::new(), |mut text, byte| {
                write!(text, "{byte:02x}").expect("a string takes all");
                text
            })
        };
        self.sql(&format!(
            "INSERT OR REPLACE INTO codes (address, purpose, tag, created_at, expires_at, tries_left) \
             VALUES (x'{}', '{}', x'{}', unixepoch(), unixepoch() + 900, 5)",
            hex(&address.0),
            purpose.name(),
            hex(&tag.0)
        ));
        code
    }
}
