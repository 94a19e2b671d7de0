//! `keybackup-server invite`: invitations.

use std::io::Write;

use super::AdminError;
use crate::auth::invite;
use crate::config::Period;
use crate::keyfile::ServerKey;
use crate::state::system_clock;
use crate::store::Store;

/// What to do with invitations.
#[derive(Debug, Clone, clap::Subcommand)]
pub(crate) enum InviteCommand {
    /// Make an invitation and print its code, which can't be shown again
    Create {
        /// How long it can be used
        #[arg(long, value_name = "TIME", default_value = "7d")]
        expires: Period,
        /// How many accounts it pays for
        #[arg(long, value_name = "N", default_value_t = 1,
              value_parser = clap::value_parser!(u32).range(1..=10_000))]
        uses: u32,
    },
    /// List the invitations that can still be used: number, expiry (unix seconds), uses left
    List,
    /// Revoke an invitation
    Revoke {
        /// Its number in the list
        number: i64,
    },
}

/// Does it; data goes to `out`.
pub(crate) async fn invite(
    store: &dyn Store,
    key: &ServerKey,
    command: InviteCommand,
    out: &mut (dyn Write + Send),
) -> Result<(), AdminError> {
    let now = system_clock();
    match command {
        InviteCommand::Create { expires, uses } => {
            let code = invite::generate();
            let tag = key.invite_tag(code.as_bytes());
            store.create_invite(tag, now, now + expires.seconds(), uses).await?;
            writeln!(out, "{}", invite::display(&code))?;
        }
        InviteCommand::List => {
            for invite in store.invites(now).await? {
                writeln!(out, "{}\t{}\t{}", invite.id, invite.expires_at, invite.uses_left)?;
            }
        }
        InviteCommand::Revoke { number } => {
            if !store.revoke_invite(number).await? {
                return Err(AdminError::NoInvite { number });
            }
        }
    }
    Ok(())
}
