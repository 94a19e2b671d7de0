//! The files: configuration, data directory, login, personas.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::fs::{Access, access};

use super::{Check, Status};
use crate::config::{Settings, StoreKind};
use crate::error::Failure;
use crate::profile::durable::FOR_OTHERS;
use crate::profile::{Profile, Record};
use crate::ui::size;

/// Less free space than this is worth a word, in bytes.
const LITTLE_BYTES: u64 = 256 << 20;
/// Less than this and nothing works, in bytes.
const NONE_BYTES: u64 = 4 << 20;

/// The configuration, which has parsed.
pub(super) fn config(settings: &Settings) -> Check {
    let path = settings.config_file.display();
    let told = if settings.config_found {
        format!("{path} is valid")
    } else {
        format!("there is no {path}, and need not be")
    };
    Check::new("config", Status::Ok, format!("{told}; profile {}", settings.profile))
}

/// The data directory, and the space where it is.
pub(super) fn data(settings: &Settings) -> [Check; 2] {
    let path = &settings.data_dir;
    let there = path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(Path::new("."));
    [data_dir(path, there), free_space(there)]
}

/// `there` is the path itself, or the nearest one above it that exists.
fn data_dir(path: &Path, there: &Path) -> Check {
    let shown = path.display();
    let check = |status, message: String| Check::new("data_dir", status, message);
    let Ok(metadata) = path.metadata() else {
        return match access(there, Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) => check(Status::Ok, format!("no {shown} yet; the first login makes it")),
            Err(error) => check(
                Status::Failed,
                format!("{shown} can't be made in {}: {error}", there.display()),
            )
            .hint("another place: KEYBACKUP_DATA_DIR"),
        };
    };
    if !metadata.is_dir() {
        return check(Status::Failed, format!("{shown} is no directory"));
    }
    if let Err(error) = tempfile::tempfile_in(path) {
        return check(Status::Failed, format!("{shown} can't be written to: {error}"));
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & FOR_OTHERS != 0 {
        return check(Status::Warning, format!("{shown} is open to others (mode {mode:04o})"))
            .hint(format!("chmod 700 {shown}"));
    }
    check(Status::Ok, format!("{shown} is yours alone, and can be written to"))
}

fn free_space(directory: &Path) -> Check {
    match rustix::fs::statvfs(directory) {
        Ok(stat) => free(stat.f_bavail.saturating_mul(stat.f_frsize), directory),
        Err(error) => {
            Check::new("free_space", Status::Skipped, format!("the system does not tell: {error}"))
        }
    }
}

fn free(bytes: u64, directory: &Path) -> Check {
    let status = match bytes {
        ..NONE_BYTES => Status::Failed,
        NONE_BYTES..LITTLE_BYTES => Status::Warning,
        LITTLE_BYTES.. => Status::Ok,
    };
    Check::new("free_space", status, format!("{} where {} is", size(bytes), directory.display()))
}

/// The login: whether there is one, and where.
pub(super) fn login(settings: &Settings) -> Check {
    let profile = Profile::at(&settings.data_dir, &settings.profile);
    // Before anything looks at the file, which tightens it.
    let mode = profile.login_file_mode();
    match profile.record() {
        Ok(Some(record)) => stored_login(&profile, &record, mode),
        Ok(None) => no_login(),
        Err(error) => Check::of("login", Status::Failed, &Failure::from(error)),
    }
}

fn stored_login(profile: &Profile, record: &Record, mode: Option<u32>) -> Check {
    let login = match profile.login(record) {
        Ok(login) => login,
        Err(error) => return Check::of("login", Status::Failed, &Failure::from(error)),
    };
    let who = format!("{} at {}", record.email.as_str(), record.server);
    let place = match record.stored {
        Some(StoreKind::None) => {
            return Check::new("login", Status::Ok, format!("{who}; it is not stored"));
        }
        _ if login.and_then(|login| login.session).is_none() => return no_login(),
        Some(StoreKind::Keyring) => "the keyring",
        _ => "a file",
    };
    let told = format!("{who}; it is in {place}");
    match mode {
        Some(mode) if mode & FOR_OTHERS != 0 => {
            Check::new("login", Status::Warning, format!("{told} that others could read until now"))
                .hint("keybackup logout, then keybackup login, if others use this device")
        }
        _ => Check::new("login", Status::Ok, told),
    }
}

fn no_login() -> Check {
    Check::new("login", Status::Warning, "nobody is logged in").hint("keybackup login EMAIL")
}

/// The personas directory, and how many are in it.
pub(super) fn personas(settings: &Settings) -> Check {
    let path = &settings.personas_dir;
    let shown = path.display();
    match std::fs::read_dir(path) {
        Ok(entries) => {
            let entries = entries.filter_map(Result::ok);
            let count = entries.filter(|entry| entry.path().is_dir()).count();
            let plural = if count == 1 { "" } else { "s" };
            Check::new("personas_dir", Status::Ok, format!("{shown} holds {count} persona{plural}"))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Check::new("personas_dir", Status::Warning, format!("no {shown}"))
                .hint("a pull makes it; elsewhere: KEYBACKUP_PERSONAS_DIR or personas_dir")
        }
        Err(error) => {
            Check::new("personas_dir", Status::Failed, format!("{shown} can't be read: {error}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_directory_is_private_and_writable() {
        let parent = tempfile::tempdir().expect("a directory");
        let path = parent.path().join("data");
        assert_eq!(data_dir(&path, parent.path()).status, Status::Ok, "not there yet");
        std::fs::create_dir(&path).expect("made");
        for (mode, status) in [(0o700, Status::Ok), (0o755, Status::Warning)] {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&path, permissions).expect("set");
            assert_eq!(data_dir(&path, &path).status, status);
        }
        let file = parent.path().join("file");
        std::fs::write(&file, "x").expect("written");
        assert_eq!(data_dir(&file, &file).status, Status::Failed);
        let below = data_dir(&file.join("data"), &file);
        assert_eq!(below.status, Status::Failed, "nothing can be made below a file");
    }

    #[test]
    fn little_space_is_told_and_none_fails() {
        for (bytes, status) in
            [(0, Status::Failed), (5 << 20, Status::Warning), (1 << 30, Status::Ok)]
        {
            assert_eq!(free(bytes, Path::new("/")).status, status);
        }
    }
}
