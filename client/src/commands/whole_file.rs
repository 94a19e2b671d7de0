//! A file of the person's own that appears whole or not at all. Until then it has no name where
//! the file system allows that, and else one beside its own: `.keybackup-zip-R`, which goes with
//! an error, an interruption, or the next such file after a kill.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Seek as _, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::interrupt::{self, Leftover};

/// What the name beside begins with; hexadecimal digits follow.
const BESIDE: &str = ".keybackup-zip-";
/// How many.
const DIGITS: usize = 16;

/// A file under way, readable by its owner alone. Dropping it removes it.
pub(super) struct WholeFile {
    file: File,
    is_named: bool,
    sibling: Sibling,
    target: PathBuf,
}

impl WholeFile {
    /// Begins a file that will be at `target`.
    pub(super) fn create(target: &Path) -> io::Result<Self> {
        // Leftovers of killed processes; failing to remove them harms nobody.
        let _ = sweep(parent(target));
        let Some(file) = nameless(parent(target)) else { return Self::create_named(target) };
        Ok(Self::new(file, false, Sibling::beside(target), target))
    }

    fn create_named(target: &Path) -> io::Result<Self> {
        let sibling = Sibling::beside(target);
        Ok(Self::new(sibling.create()?, true, sibling, target))
    }

    fn new(file: File, is_named: bool, sibling: Sibling, target: &Path) -> Self {
        // It tells others that this is no leftover. Where files can't be locked none is removed.
        let _ = file.try_lock();
        Self { file, is_named, sibling, target: target.to_owned() }
    }

    /// Puts it in place and makes it durable. With `replace` it takes the place of what is
    /// there; else that is `AlreadyExists`.
    pub(super) fn publish(self, replace: bool) -> io::Result<()> {
        self.publish_with(replace, link)
    }

    fn publish_with(
        mut self,
        replace: bool,
        link: impl FnOnce(&File, &Path) -> io::Result<()>,
    ) -> io::Result<()> {
        self.file.sync_all()?;
        let (path, target) = (&self.sibling.path, &self.target);
        // Where a nameless file can't get a name after all, a copy of it can.
        let linked = self.is_named || {
            let _hold = interrupt::hold();
            link(&self.file, path).is_ok()
        };
        let copy = if linked { None } else { Some(self.sibling.copy(&mut self.file)?) };
        let _hold = interrupt::hold();
        if replace {
            fs::rename(path, target)?;
        } else {
            rename_to_nothing(path, target)?;
        }
        drop(copy);
        File::open(parent(target))?.sync_all()
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

/// A name beside a file's own, with nothing there when this is gone.
struct Sibling {
    path: PathBuf,
    _leftover: Leftover,
}

impl Sibling {
    fn beside(target: &Path) -> Self {
        let random = RandomState::new().hash_one(std::process::id());
        let path = target.with_file_name(format!("{BESIDE}{random:0DIGITS$x}"));
        Self { _leftover: interrupt::remove_on_exit([path.clone()]), path }
    }

    fn create(&self) -> io::Result<File> {
        // Not while the process ends: what is made after its cleaning up would stay.
        let _hold = interrupt::hold();
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&self.path)
    }

    fn copy(&self, from: &mut File) -> io::Result<File> {
        let mut copy = self.create()?;
        let _ = copy.try_lock();
        from.rewind()?;
        io::copy(from, &mut copy)?;
        copy.sync_all()?;
        Ok(copy)
    }
}

impl Drop for Sibling {
    fn drop(&mut self) {
        // Mostly nothing is there (any more).
        let _ = fs::remove_file(&self.path);
    }
}

/// Removes what killed processes left in a directory, and leaves alone what is in use.
fn sweep(directory: &Path) -> io::Result<()> {
    let user = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix(BESIDE));
        let is_named_so = digits.is_some_and(|digits| {
            digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
        });
        if !is_named_so || !entry.file_type()?.is_file() {
            continue;
        }
        let Ok(file) = File::open(entry.path()) else { continue };
        if file.metadata()?.uid() == user && file.try_lock().is_ok() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// A file without a name, on systems and file systems that have such.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn nameless(directory: &Path) -> Option<File> {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    open(directory, flags, Mode::RUSR | Mode::WUSR).ok().map(File::from)
}

/// None.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn nameless(_directory: &Path) -> Option<File> {
    None
}

/// Gives a nameless file a name. This way needs /proc; another would need a privilege.
fn link(file: &File, name: &Path) -> io::Result<()> {
    use std::os::fd::AsRawFd as _;

    use rustix::fs::{AtFlags, CWD, linkat};
    let proc = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(linkat(CWD, proc, CWD, name, AtFlags::SYMLINK_FOLLOW)?)
}

/// Renames to where nothing is, else `AlreadyExists`: in one step where the file system can, else
/// after a look.
fn rename_to_nothing(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {}
            result => return Ok(result?),
        }
    }
    if fs::symlink_metadata(to).is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::rename(from, to)
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Publish = fn(WholeFile, bool) -> io::Result<()>;
    type Create = fn(&Path) -> io::Result<WholeFile>;

    /// With and without nameless files, and where they can't be given a name.
    const WAYS: [(Create, Publish); 3] = [
        (WholeFile::create, WholeFile::publish),
        (WholeFile::create_named, WholeFile::publish),
        (WholeFile::create, |file, replace| {
            file.publish_with(replace, |_, _| Err(io::ErrorKind::Unsupported.into()))
        }),
    ];

    fn names(directory: &Path) -> usize {
        fs::read_dir(directory).expect("listable").count()
    }

    #[test]
    fn appears_whole_replaces_only_when_asked_and_leaves_nothing_else() {
        for (create, publish) in WAYS {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let target = directory.path().join("a.zip");
            let write = |text: &str, replace| {
                let mut file = create(&target).expect("made");
                file.write_all(text.as_bytes()).expect("written");
                assert_ne!(fs::read(&target).ok(), Some(text.into()), "not before it is whole");
                publish(file, replace)
            };
            drop(create(&target).expect("made"));
            assert_eq!(names(directory.path()), 0);
            write("one", false).expect("nothing is there");
            let refused = write("two", false).expect_err("one is there");
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read(&target).expect("readable"), b"one");
            write("two", true).expect("replaced");
            assert_eq!(fs::read(&target).expect("readable"), b"two");
            assert_eq!(names(directory.path()), 1);
        }
    }

    #[test]
    fn what_can_not_be_put_in_place_is_removed() {
        for (create, publish) in WAYS {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let target = directory.path().join("a.zip");
            fs::create_dir(&target).expect("made");
            let mut file = create(&target).expect("made");
            file.write_all(b"secret").expect("written");
            publish(file, true).expect_err("a directory is there");
            assert_eq!(names(directory.path()), 1);
        }
    }

    #[test]
    fn what_a_kill_left_goes_and_what_is_in_use_or_not_ours_stays() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let target = directory.path().join("a.zip");
        let in_use = WholeFile::create_named(&target).expect("made");
        let left = directory.path().join(".keybackup-zip-0123456789abcdef");
        let own = [".keybackup-zip-", ".keybackup-zip-notes", "keybackup-zip-0123456789abcdef"];
        for path in own.map(|name| directory.path().join(name)).iter().chain([&left]) {
            fs::write(path, "x").expect("written");
        }
        let other = WholeFile::create(&target).expect("made");
        assert!(!left.exists());
        assert!(own.iter().all(|name| directory.path().join(name).exists()));
        in_use.publish(false).expect("it is still there");
        drop(other);
        assert_eq!(names(directory.path()), 1 + own.len());
    }
}
