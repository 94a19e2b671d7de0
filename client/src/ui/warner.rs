//! Warnings, from who has no [`Ui`](super::Ui) at hand.

use std::fmt::Display;

use serde::Serialize;

use super::{Stderr, style};

/// Warns on behalf of a [`Ui`](super::Ui).
#[derive(Clone)]
pub struct Warner {
    pub(super) json: bool,
    pub(super) quiet: bool,
    pub(super) stderr: Stderr,
}

#[derive(Serialize)]
struct Warning {
    message: String,
}

impl Warner {
    /// Tells what should not have happened and can be lived with. Silent with `--quiet`.
    pub fn warn(&self, message: impl Display) {
        if self.quiet {
            return;
        }
        if self.json {
            let message = message.to_string();
            self.stderr.document("warning", &Warning { message });
        } else {
            let label = style::label("warning:", style::WARNING, self.stderr.colour);
            self.stderr.print(&format!("{label} {message}\n"));
        }
    }
}
