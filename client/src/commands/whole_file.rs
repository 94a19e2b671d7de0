//! A file of the person's own that appears whole or not at all, and until then has no name that a
//! killed process could leave behind.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, Write};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, OFlags, linkat};

/// A file under way, readable by its owner alone.
pub(super) struct WholeFile {
    file: File,
    target: PathBuf,
}

impl WholeFile {
    /// Begins a file that will be at `target`.
    pub(super) fn create(target: &Path) -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile_in(parent(target))?, target: target.to_owned() })
    }

    /// Puts it in place and makes it durable. With `replace` it takes the place of what is
    /// there; else that is `AlreadyExists`.
    pub(super) fn publish(mut self, replace: bool) -> io::Result<()> {
        self.file.sync_all()?;
        let sibling = sibling(&self.target);
        let name = if replace { sibling.clone() } else { self.target.clone() };
        if replace {
            remove_leftover(&sibling)?;
        }
        let proc = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        match linkat(CWD, proc, CWD, &name, AtFlags::SYMLINK_FOLLOW) {
            Ok(()) => {}
            Err(rustix::io::Errno::EXIST) => return Err(io::ErrorKind::AlreadyExists.into()),
            // Not every file system can name a nameless file.
            Err(_) => self.copy_to(&name)?,
        }
        if replace {
            fs::rename(&sibling, &self.target)?;
        }
        File::open(parent(&self.target))?.sync_all()
    }

    fn copy_to(&mut self, name: &Path) -> io::Result<()> {
        let mut named = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .custom_flags(i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0))
            .open(name)?;
        self.file.rewind()?;
        io::copy(&mut self.file, &mut named)
            .and_then(|_| named.sync_all())
            .inspect_err(|_| drop(fs::remove_file(name)))
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

/// The name that a replacing file has for a moment; a leftover of it goes with the next one.
fn sibling(target: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".keybackup-new");
    target.with_file_name(name)
}

fn remove_leftover(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appears_whole_replaces_only_when_asked_and_leaves_nothing_else() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let target = directory.path().join("a.zip");
        let write = |text: &str, replace| {
            let mut file = WholeFile::create(&target).expect("made");
            file.write_all(text.as_bytes()).expect("written");
            file.publish(replace)
        };
        let names = || fs::read_dir(directory.path()).expect("listable").count();
        let unfinished = WholeFile::create(&target).expect("made");
        assert_eq!(names(), 0);
        drop(unfinished);
        write("one", false).expect("nothing is there");
        let refused = write("two", false).expect_err("one is there");
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&target).expect("readable"), b"one");
        fs::write(sibling(&target), "left by a kill").expect("written");
        write("two", true).expect("replaced");
        assert_eq!(fs::read(&target).expect("readable"), b"two");
        assert_eq!(names(), 1);
    }
}
