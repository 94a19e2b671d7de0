//! What a push does not do without `--force`.

use keybackup_protocol::PersonaId;

use crate::commands::context::{Session, now};
use crate::commands::failure::with_three_ways_out;
use crate::commands::find;
use crate::error::{Code, CommandResult, Failure};
use crate::marks::OpenedPersona;
use crate::profile::Sent;
use crate::ui;

/// Refuses to push an empty directory over files: more often than not, a disk is not mounted, or a
/// pattern leaves out too much.
pub(super) fn refuse_emptied(found: u64, remote: &OpenedPersona) -> CommandResult {
    let files = remote.label.label.content.as_ref().map_or(0, |content| content.files);
    if found > 0 || files == 0 {
        return Ok(());
    }
    let name = remote.label.label.name.as_str();
    Err(Failure::new(
        Code::Conflict,
        format!(
            "there is no file in the directory, and the backup of {} has {files}",
            find::quoted(name)
        ),
    )
    .hint("is a disk not mounted, or does --exclude leave out too much?")
    .hint(format!("it shall be empty: keybackup push --force {}", ui::shell_word(name))))
}

/// Whether a version is one that this device sent, and was killed before it had the answer:
/// nobody else's work.
///
/// That a label names this device is not enough: a device put back from an image has the same id,
/// and has forgotten what it pushed after the image was made. And a label without bytes of its own
/// (a rename) may carry what another device pushed.
pub(super) fn is_own(session: &Session, id: PersonaId, remote: &OpenedPersona) -> bool {
    let label = &remote.label.label;
    let sent = Sent { persona: id, label: remote.label.hash };
    label.content_version == Some(label.version) && session.profile.sent().contains(&sent)
}

/// Refuses to push over a version that this device has not seen in this directory.
pub(super) fn refuse_conflict(
    session: &Session,
    id: PersonaId,
    remote: &OpenedPersona,
    directory: &str,
) -> CommandResult {
    let label = &remote.label.label;
    let name = ui::escape(label.name.as_str()).into_owned();
    let base = session.vault.state.personas.get(&id).and_then(|mark| mark.base.as_ref());
    if remote.trashed {
        return Err(Failure::new(
            Code::Conflict,
            format!("the server says that {name} was deleted, without a seal of yours"),
        )
        .hint(format!(
            "put it back: keybackup push --force {}",
            ui::shell_word(label.name.as_str())
        )));
    }
    match base {
        Some(base) if base.directory != directory => Err(Failure::new(
            Code::Conflict,
            format!("{name} was last pushed from {}", ui::escape(&base.directory)),
        )
        .hint("another name: --name NAME")
        .hint("from here on this directory: --force")),
        // What stands is what this device last pushed or pulled, perhaps under a newer name.
        Some(base)
            if label.content.as_ref().is_some_and(|it| it.fingerprint == base.fingerprint) =>
        {
            Ok(())
        }
        _ if is_own(session, id, remote) => Ok(()),
        _ => Err(with_three_ways_out(
            Failure::new(
                Code::Conflict,
                format!(
                    "{name} has version {} at the server, pushed {} by {}",
                    label.version,
                    ui::age(now().saturating_sub(label.time)),
                    if label.device == session.vault.device {
                        "this device, which does not remember it"
                    } else {
                        "another device"
                    }
                ),
            ),
            label.name.as_str(),
        )),
    }
}
