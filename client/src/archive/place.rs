//! Puts a restored directory in its place: whole or not at all, and never over something else.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::dir::Dir;
use super::sibling::{Marked, shortened};
use super::time::Ticks;

/// Between a directory's name and the time at which it was set aside, `yyyymmdd-hhmmss` in UTC.
const ASIDE: &str = ".keybackup-old-";

/// Why a restore couldn't be put in place. What was there is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// The target has no name of its own (`/`, `..`).
    #[error("{0:?} can't be restored to")]
    NoName(PathBuf),
    /// Something that is not an empty directory is in the place.
    #[error("{0:?} exists and is not an empty directory")]
    Occupied(PathBuf),
    /// The system refused.
    #[error("can't {step} {path:?}")]
    Io {
        /// What was tried.
        step: &'static str,
        /// With what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A directory beside its final place, for its owner only, removed again unless it is committed.
///
/// A locked file beside it tells [`super::sweep`] that it is in use.
#[derive(Debug)]
pub struct Placement {
    parent: Dir,
    parent_path: PathBuf,
    name: OsString,
    marked: Marked,
    directory: Dir,
    is_committed: bool,
}

impl Placement {
    /// Makes the directory beside `target`, and `target`'s parents where they are missing. A
    /// symbolic link to a directory means that directory.
    pub fn prepare(target: &Path) -> Result<Self, PlaceError> {
        let real = fs::canonicalize(target).unwrap_or_else(|_| target.to_owned());
        let name = real.file_name().ok_or_else(|| PlaceError::NoName(target.to_owned()))?;
        let parent_path = match real.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        make_parents(&parent_path)?;
        let parent = Dir::open(&parent_path).map_err(failed("open", &parent_path))?;
        let (marked, directory) =
            Marked::make(&parent, name).map_err(failed("make a directory in", &parent_path))?;
        let name = name.to_owned();
        Ok(Self { parent, parent_path, name, marked, directory, is_committed: false })
    }

    /// The directory to unpack into.
    pub const fn directory(&self) -> &Dir {
        &self.directory
    }

    /// Where it is until then.
    pub fn path(&self) -> PathBuf {
        self.parent_path.join(&self.marked.temporary)
    }

    /// Where its marker is until then.
    pub fn marker_path(&self) -> PathBuf {
        self.parent_path.join(&self.marked.marker)
    }

    /// Where [`Self::commit`] puts it.
    pub fn target(&self) -> PathBuf {
        self.parent_path.join(&self.name)
    }

    /// Puts it in place, if nothing or an empty directory is there, and makes that durable.
    pub fn commit(mut self) -> Result<(), PlaceError> {
        self.rename()?;
        self.sync()
    }

    /// Puts it in place. What was there is kept beside it, and its path returned; `now` goes into
    /// its name.
    pub fn commit_replacing(mut self, now: SystemTime) -> Result<Option<PathBuf>, PlaceError> {
        match self.rename() {
            Ok(()) => return self.sync().map(|()| None),
            Err(PlaceError::Occupied(_)) => {}
            Err(error) => return Err(error),
        }
        let aside = self.free_aside_name(now)?;
        self.swap(&aside).map_err(failed("replace", &self.target()))?;
        self.is_committed = true;
        self.sync()?;
        Ok(Some(self.parent_path.join(aside)))
    }

    /// `rename` does what is wanted: it puts a directory where nothing or an empty directory is,
    /// and refuses everything else.
    fn rename(&mut self) -> Result<(), PlaceError> {
        use io::ErrorKind as K;
        match self.parent.rename(&self.marked.temporary, &self.name) {
            Ok(()) => {
                self.is_committed = true;
                Ok(())
            }
            Err(error) => Err(match error.kind() {
                K::DirectoryNotEmpty | K::AlreadyExists | K::NotADirectory => {
                    PlaceError::Occupied(self.target())
                }
                _ => failed("put in place", &self.target())(error),
            }),
        }
    }

    /// Exchanges the new directory with the old, so that there is one at every moment. The new
    /// one bears the name that the old one is to have before they are exchanged: whenever this is
    /// interrupted, nothing old bears a name that [`super::sweep`] removes.
    fn swap(&self, aside: &OsStr) -> io::Result<()> {
        let Self { parent, name, marked: Marked { temporary, .. }, .. } = self;
        parent.rename(temporary, aside)?;
        match parent.exchange(aside, name) {
            Ok(()) => Ok(()),
            Err(error) => {
                parent.rename(aside, temporary)?;
                if is_unsupported(&error) { self.swap_in_two_steps(aside) } else { Err(error) }
            }
        }
    }

    /// Where file systems can't exchange: the old one away, the new one there, or the old one
    /// back.
    fn swap_in_two_steps(&self, aside: &OsStr) -> io::Result<()> {
        let Self { parent, name, marked: Marked { temporary, .. }, .. } = self;
        parent.rename(name, aside)?;
        parent.rename(temporary, name).inspect_err(|_| {
            // Both errors have the same cause; the first tells it. The old one is whole where
            // it is, under a name that says what it is.
            let _ = parent.rename(aside, name);
        })
    }

    fn free_aside_name(&self, now: SystemTime) -> Result<OsString, PlaceError> {
        let at = Ticks::from(now).civil();
        let name = shortened(&self.name, ASIDE.len() + "yyyymmdd-hhmmss-999".len());
        let mut aside = OsStr::from_bytes(name).to_owned();
        aside.push(format!(
            "{ASIDE}{:04}{:02}{:02}-{:02}{:02}{:02}",
            at.year, at.month, at.day, at.hour, at.minute, at.second
        ));
        for attempt in 2.. {
            match self.parent.status_of(&aside) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(failed("look for", &self.parent_path.join(aside))(error)),
                Ok(_) if attempt == 2 => aside.push("-2"),
                Ok(_) => {
                    let digits = (attempt - 1).to_string().len();
                    let mut bytes = aside.into_vec();
                    bytes.truncate(bytes.len() - digits);
                    bytes.extend_from_slice(attempt.to_string().as_bytes());
                    aside = OsString::from_vec(bytes);
                }
            }
        }
        Ok(aside)
    }

    fn sync(&self) -> Result<(), PlaceError> {
        self.parent.sync().map_err(failed("make durable", &self.parent_path))
    }
}

impl Drop for Placement {
    fn drop(&mut self) {
        if !self.is_committed {
            // Nobody is left to tell; `sweep` tries again, if the marker stays.
            if self.parent.remove_tree(&self.marked.temporary).is_err() {
                return;
            }
        }
        self.marked.unmark(&self.parent);
    }
}

/// Whether `name` is one that [`Placement::commit_replacing`] gave to what was there before.
pub fn is_aside(name: &str) -> bool {
    name.rsplit_once(ASIDE).is_some_and(|(before, time)| {
        !before.is_empty()
            && time.len() >= 15
            && time.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
    })
}

/// Makes the missing ones of `path` and its parents, for their owner only, each durable in the
/// one above.
fn make_parents(path: &Path) -> Result<(), PlaceError> {
    if path.is_dir() {
        return Ok(());
    }
    let above = match path.parent() {
        Some(above) if above != Path::new("") => above.to_owned(),
        _ => PathBuf::from("."),
    };
    if above != path {
        make_parents(&above)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed("make the directory", path)(error)),
    }
    let sync = || Dir::open(&above)?.sync();
    sync().map_err(failed("make durable", &above))
}

fn is_unsupported(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error);
    error.kind() == io::ErrorKind::Unsupported
        || matches!(errno, Some(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP))
}

fn failed(step: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PlaceError {
    let path = path.to_owned();
    move |source| PlaceError::Io { step, path, source }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| {
            entry.expect("readable").file_name().into_string().expect("text")
        };
        let mut names: Vec<_> = fs::read_dir(directory).expect("readable").map(name).collect();
        names.sort_unstable();
        names
    }

    fn prepared(target: &Path) -> Placement {
        let placement = Placement::prepare(target).expect("prepared");
        drop(placement.directory().create_file("new").expect("created"));
        placement
    }

    #[test]
    fn a_restore_appears_where_nothing_or_an_empty_directory_is() {
        let temporary = tempfile::tempdir().expect("a directory");
        let absent = temporary.path().join("a/b/target");
        prepared(&absent).commit().expect("committed");
        assert_eq!(names(&absent), ["new"]);
        assert_eq!(names(absent.parent().expect("a/b")), ["target"]);
        let empty = temporary.path().join("empty");
        fs::create_dir(&empty).expect("made");
        prepared(&empty).commit().expect("committed");
        assert_eq!(names(&empty), ["new"]);
    }

    /// Holds rule 18.
    #[test]
    fn nothing_is_overwritten_and_nothing_is_left() {
        let temporary = tempfile::tempdir().expect("a directory");
        let target = temporary.path().join("target");
        fs::create_dir(&target).expect("made");
        fs::write(target.join("old"), "").expect("written");
        let error = prepared(&target).commit().expect_err("it is in use");
        assert!(matches!(error, PlaceError::Occupied(_)));
        fs::write(temporary.path().join("file"), "").expect("written");
        assert!(prepared(&temporary.path().join("file")).commit().is_err());
        drop(prepared(&temporary.path().join("given-up")));
        assert_eq!(names(temporary.path()), ["file", "target"]);
        assert_eq!(names(&target), ["old"]);
    }

    #[test]
    fn the_old_one_is_kept_aside() {
        let temporary = tempfile::tempdir().expect("a directory");
        let target = temporary.path().join("target");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(951_827_696);
        let replace = || prepared(&target).commit_replacing(now).expect("committed");
        assert_eq!(replace(), None);
        for expected in ["", "-2", "-3"] {
            let name = format!("target.keybackup-old-20000229-123456{expected}");
            assert!(is_aside(&name));
            fs::write(target.join("old"), expected).expect("written");
            let aside = replace().expect("there was one");
            assert_eq!(aside.file_name(), Some(OsStr::new(&name)));
            assert_eq!(names(&aside), ["new", "old"]);
            assert_eq!(names(&target), ["new"]);
        }
        assert!(!is_aside("target"));
        assert!(!is_aside("x.keybackup-old-photos-from-2000"));
    }

    #[test]
    fn without_exchange_two_steps_do_the_same() {
        let temporary = tempfile::tempdir().expect("a directory");
        let target = temporary.path().join("target");
        fs::create_dir(&target).expect("made");
        fs::write(target.join("old"), "").expect("written");
        let mut placement = prepared(&target);
        placement.swap_in_two_steps(OsStr::new("aside")).expect("swapped");
        placement.is_committed = true;
        drop(placement);
        assert_eq!(names(temporary.path()), ["aside", "target"]);
        assert_eq!(names(&target), ["new"]);
    }

    #[test]
    fn a_symbolic_link_to_a_directory_means_that_directory() {
        let temporary = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(temporary.path().join("elsewhere/real")).expect("made");
        let link = temporary.path().join("link");
        std::os::unix::fs::symlink("elsewhere/real", &link).expect("linked");
        prepared(&link).commit().expect("committed");
        assert_eq!(names(&temporary.path().join("elsewhere/real")), ["new"]);
        assert!(link.is_symlink());
    }

    #[test]
    fn long_names_and_odd_targets() {
        let temporary = tempfile::tempdir().expect("a directory");
        let target = temporary.path().join("é".repeat(127));
        prepared(&target).commit().expect("committed");
        assert_eq!(names(&target), ["new"]);
        let aside = prepared(&target).commit_replacing(SystemTime::now()).expect("committed");
        assert_eq!(names(&aside.expect("there was one")), ["new"]);
        assert!(matches!(Placement::prepare(Path::new("/")), Err(PlaceError::NoName(_))));
    }
}
