//! Personas on this device: directories in the personas directory, found by name, unique prefix
//! or nickname.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::find::{ambiguous, quoted};
use crate::error::{Code, Failure};
use crate::records::Nickname;
use crate::ui::Ui;

/// Largest `persona.json` that is looked into for a nickname.
const MAX_PERSONA_JSON_BYTES: u64 = 64 * 1024;

/// A persona directory on this device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LocalPersona {
    /// The directory's name.
    pub(super) name: String,
    /// Where it is.
    pub(super) directory: PathBuf,
    /// From its `persona.json`.
    pub(super) nickname: Option<String>,
}

/// The persona directories in `directory`, by name. Hidden ones, a restore's leftovers among them,
/// are none; a directory that is absent holds none.
pub(super) fn all(directory: &Path) -> Result<Vec<LocalPersona>, Failure> {
    Ok(look(directory)?.personas)
}

/// What is in the personas directory.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// The personas, by name.
    pub(super) personas: Vec<LocalPersona>,
    /// Paths of what looks like a persona and can't be taken for one, and why.
    pub(super) left_out: Vec<(PathBuf, &'static str)>,
}

/// The same as [`all`], and what is left out of it.
pub(super) fn look(directory: &Path) -> Result<Look, Failure> {
    let failure =
        |error: std::io::Error| Failure::io(&error, format!("reading {}", directory.display()));
    // Links on the way resolved: a base that is noted today is compared with another day's.
    let directory = match std::fs::canonicalize(directory) {
        Ok(directory) => directory,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Look::default()),
        Err(error) => return Err(failure(error)),
    };
    let mut look = Look::default();
    for entry in std::fs::read_dir(&directory).map_err(failure)? {
        let entry = entry.map_err(failure)?;
        let (path, name) = (entry.path(), entry.file_name());
        if name.as_encoded_bytes().starts_with(b".")
            || crate::archive::is_aside(&name.to_string_lossy())
        {
            continue;
        }
        let kind = entry.file_type().map_err(failure)?;
        match name.into_string() {
            Ok(name) if kind.is_dir() => {
                look.personas.push(LocalPersona {
                    nickname: nickname(&path),
                    name,
                    directory: path,
                });
            }
            Err(_) if kind.is_dir() => look.left_out.push((path, "its name is not UTF-8")),
            _ if kind.is_symlink() && path.is_dir() => {
                look.left_out.push((path, "it is a symbolic link"));
            }
            _ => {}
        }
    }
    look.personas.sort_by(|a, b| a.name.cmp(&b.name));
    look.left_out.sort();
    Ok(look)
}

/// The nickname in a directory's `persona.json`, if there is a readable one.
pub(super) fn nickname(directory: &Path) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct PersonaJson {
        nickname: Option<String>,
    }
    let file = directory.join("persona.json");
    // A FIFO of that name would block for ever.
    if !std::fs::symlink_metadata(&file).ok()?.is_file() {
        return None;
    }
    let mut text = Vec::new();
    std::fs::File::open(file).ok()?.take(MAX_PERSONA_JSON_BYTES).read_to_end(&mut text).ok()?;
    let persona: PersonaJson = serde_json::from_slice(&text).ok()?;
    Nickname::tidy(&persona.nickname?).map(|nickname| nickname.to_string())
}

/// The local persona with exactly this name.
pub(super) fn find_exact(directory: &Path, text: &str) -> Result<Option<LocalPersona>, Failure> {
    Ok(all(directory)?.into_iter().find(|persona| persona.name == text))
}

/// The local persona that `text` is the beginning or the nickname of; none is no error, several
/// are.
pub(super) fn find(directory: &Path, text: &str) -> Result<Option<LocalPersona>, Failure> {
    let personas = all(directory)?;
    let rules: [&dyn Fn(&LocalPersona) -> bool; 2] =
        [&|persona| !text.is_empty() && persona.name.starts_with(text), &|persona| {
            persona.nickname.as_deref() == Some(text)
        }];
    for rule in rules {
        let fitting: Vec<_> = personas.iter().filter(|persona| rule(persona)).collect();
        match fitting[..] {
            [] => {}
            [persona] => return Ok(Some(persona.clone())),
            _ => return Err(ambiguous(text, fitting.iter().map(|persona| persona.name.clone()))),
        }
    }
    Ok(None)
}

/// The only persona in the personas directory; with several, a person is asked.
pub(super) fn only(ui: &Ui, directory: &Path) -> Result<LocalPersona, Failure> {
    let mut personas = all(directory)?;
    match personas.len() {
        0 => Err(Failure::new(
            Code::NotFound,
            format!("there is no persona in {}", quoted(&directory.display().to_string())),
        )
        .hint("any directory will do: keybackup push DIR")),
        1 => Ok(personas.remove(0)),
        _ => {
            let names: Vec<_> = personas.iter().map(|persona| persona.name.clone()).collect();
            let chosen = ui.choose("Which persona?", &names, "PERSONA or --all")?;
            Ok(personas.swap_remove(chosen))
        }
    }
}

/// The persona in a directory that was named by its path.
pub(super) fn at(path: &Path) -> Result<LocalPersona, Failure> {
    let directory = std::fs::canonicalize(path).map_err(|error| {
        Failure::io(&error, format!("opening {}", quoted(&path.display().to_string())))
    })?;
    if !directory.is_dir() {
        return Err(Failure::new(
            Code::Usage,
            format!("{} is no directory", quoted(&path.display().to_string())),
        ));
    }
    let name = directory.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    Ok(LocalPersona { nickname: nickname(&directory), name, directory })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_by_name_prefix_and_nickname_and_refuses_what_fits_several() {
        let root = tempfile::tempdir().expect("a temporary directory");
        for (name, json) in [
            ("alpha", r#"{"nickname":"Alice"}"#),
            ("alps", "not json"),
            (".hidden", "{}"),
            ("alpha.keybackup-old-20260101-000000", "{}"),
        ] {
            let directory = root.path().join(name);
            std::fs::create_dir(&directory).expect("made");
            std::fs::write(directory.join("persona.json"), json).expect("written");
        }
        let names: Vec<_> =
            all(root.path()).expect("listable").into_iter().map(|persona| persona.name).collect();
        assert_eq!(names, ["alpha", "alps"]);
        let found = |text| find(root.path(), text).map(|found| found.map(|persona| persona.name));
        let exact = find_exact(root.path(), "alpha").expect("listable");
        assert_eq!(exact.map(|persona| persona.name), Some("alpha".to_owned()));
        assert_eq!(find_exact(root.path(), "alph").expect("listable"), None);
        assert_eq!(found("alph").expect("prefix"), Some("alpha".to_owned()));
        assert_eq!(found("Alice").expect("nickname"), Some("alpha".to_owned()));
        assert_eq!(found("zeta").expect("none"), None);
        assert_eq!(found("al").expect_err("two fit").code(), Code::Ambiguous);
    }
}
