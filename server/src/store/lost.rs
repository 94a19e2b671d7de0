//! Parts that no row names, set aside for a while: an older database that was restored does not
//! name what came after it, and the newer one may turn up yet.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The directory's name among the fan-out directories.
pub(super) const LOST: &str = "lost";

/// The directory of parts that were set aside. A file's time is when it came here.
#[derive(Clone)]
pub(crate) struct Lost {
    root: PathBuf,
}

impl Lost {
    /// The one under the directory of the parts. It is made when the first part comes.
    pub(super) fn under(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Sets a part aside; one that is gone already is fine.
    pub(crate) fn take(&self, name: &str, now: i64) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(self.root.join(LOST)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let from = self.home(name);
        // First the time: one that is set aside must not look as old as it is.
        let dated = File::open(&from).and_then(|file| file.set_modified(system_time(now)));
        unless_gone(dated.and_then(|()| fs::rename(&from, self.place(name))))
    }

    /// Brings a part back to where rows name it.
    pub(crate) fn bring_back(&self, name: &str) -> io::Result<()> {
        unless_gone(fs::rename(self.place(name), self.home(name)))
    }

    /// The names of all parts here.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let files = match fs::read_dir(self.root.join(LOST)) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        // What has another name than ours is not ours to touch.
        files
            .filter_map(|file| file.map(|file| file.file_name().into_string().ok()).transpose())
            .filter(|name| name.as_ref().map_or(true, |name| super::bytes::is_name(name)))
            .collect()
    }

    /// Removes those that came before a time.
    pub(crate) fn remove_before(&self, time: i64) -> io::Result<()> {
        for name in self.names()? {
            let path = self.place(&name);
            if fs::metadata(&path)?.modified()? < system_time(time) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn place(&self, name: &str) -> PathBuf {
        self.root.join(LOST).join(name)
    }

    fn home(&self, name: &str) -> PathBuf {
        self.root.join(&name[..1]).join(name)
    }
}

fn unless_gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

pub(super) fn system_time(time: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(time).unwrap_or(0))
}
