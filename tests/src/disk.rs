//! A small file system that can be full. Needs root.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A tmpfs of a few mebibytes.
pub struct SmallDisk {
    root: TempDir,
}

impl SmallDisk {
    /// Mounts one; `None`, with a line "not run", where that is not allowed.
    pub fn mount(what: &str, mebibytes: u32) -> Option<Self> {
        Self::with(what, &format!("size={mebibytes}m"))
    }

    /// The same with options as `mount` takes them.
    pub fn with(what: &str, options: &str) -> Option<Self> {
        let root = tempfile::tempdir().expect("a temporary directory");
        let size = format!("{options},mode=0700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "keybackup-tests"])
            .arg(root.path())
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self { root }),
            Ok(output) => {
                crate::not_run(what, &String::from_utf8_lossy(&output.stderr));
                None
            }
            Err(error) => {
                crate::not_run(what, &error.to_string());
                None
            }
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// Writes until nothing more fits, but for `spare` KiB.
    pub fn fill(&self, spare: usize) -> PathBuf {
        let path = self.path().join("ballast");
        let reserve = self.path().join("reserve");
        std::fs::write(&reserve, vec![1; spare * 1024]).expect("room for the reserve");
        let mut file = File::create(&path).expect("a new file");
        for size in [64 * 1024, 4096, 1] {
            let piece = vec![1; size];
            while file.write_all(&piece).is_ok() {}
        }
        std::fs::remove_file(reserve).expect("it is there");
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.root.path()).status();
    }
}
