//! A file system in a file, whose power can be cut: what was not synced is gone.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Which file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileSystem {
    Ext4,
    Xfs,
}

/// Room for a unit; XFS wants 300 MiB at least. The file is sparse.
const BYTES: u64 = 1 << 30;

/// A file system in a file, mounted; unmounted and removed when it is dropped.
pub(crate) struct Image {
    file: PathBuf,
    mounted: PathBuf,
}

impl Image {
    /// A new one in `directory`; an error where that can't be had.
    pub(crate) fn make(directory: &Path, kind: FileSystem) -> Result<Self, String> {
        let image = Self { file: directory.join("image"), mounted: directory.join("mounted") };
        fs::create_dir_all(&image.mounted).map_err(|error| error.to_string())?;
        let file = File::create(&image.file).map_err(|error| error.to_string())?;
        file.set_len(BYTES).map_err(|error| error.to_string())?;
        let (program, flags): (_, &[&str]) = match kind {
            FileSystem::Ext4 => ("mkfs.ext4", &["-q", "-F"]),
            FileSystem::Xfs => ("mkfs.xfs", &["-q", "-f"]),
        };
        said(Command::new(program).args(flags).arg(&image.file))?;
        image.mount()?;
        Ok(image)
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> &Path {
        &self.mounted
    }

    /// Cuts the power: from now on nothing more gets to the file, and all fails. Ends when that is
    /// so: `FS_IOC_SHUTDOWN` with `NOLOGFLUSH`, which `xfs_io` asks of every file system.
    pub(crate) fn cut(&self) {
        let mut cut = Command::new("xfs_io");
        cut.args(["-x", "-c", "shutdown"]).arg(&self.mounted);
        said(&mut cut).unwrap_or_else(|error| panic!("no power cut: {error}"));
    }

    /// Comes back after a cut; nobody may have a file open in it any more.
    pub(crate) fn come_back(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while let Err(error) = said(Command::new("umount").arg(&self.mounted)) {
            assert!(Instant::now() < deadline, "it can't be unmounted: {error}");
            std::thread::sleep(Duration::from_millis(10));
        }
        self.mount().unwrap_or_else(|error| panic!("it does not come back: {error}"));
    }

    fn mount(&self) -> Result<(), String> {
        said(Command::new("mount").args(["-o", "loop"]).args([&self.file, &self.mounted]))
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // A process that is on its way out may still hold it.
        for _ in 0..100 {
            if said(Command::new("umount").arg(&self.mounted)).is_ok() {
                let _ = fs::remove_file(&self.file);
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = said(Command::new("umount").arg("--lazy").arg(&self.mounted));
    }
}

/// Whether a cut loses here what was not synced, and nothing else: without that no cut would mean
/// anything.
pub(crate) fn cuts_lose(image: &Image) -> Result<(), String> {
    let synced = image.path().join("synced");
    let write = || -> std::io::Result<()> {
        fs::write(&synced, "synced")?;
        File::open(&synced)?.sync_all()?;
        File::open(image.path())?.sync_all()?;
        fs::write(image.path().join("not synced"), "not synced")?;
        let mut file = File::options().append(true).open(&synced)?;
        std::io::Write::write_all(&mut file, b" and more")
    };
    write().map_err(|error| error.to_string())?;
    image.cut();
    image.come_back();
    let kept = fs::read_to_string(&synced).unwrap_or_default();
    if kept != "synced" {
        return Err(format!("what was synced came back as {kept:?}"));
    }
    if image.path().join("not synced").exists() {
        return Err("what was not synced came back after a cut".to_owned());
    }
    fs::remove_file(synced).map_err(|error| error.to_string())
}

/// Unmounts what a run that was ended has left below `directory`.
pub(crate) fn sweep(directory: &Path) {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    for line in mounts.lines() {
        let Some(point) = line.split(' ').nth(1) else { continue };
        if Path::new(point).starts_with(directory) {
            let _ = said(Command::new("umount").arg("--lazy").arg(point));
        }
    }
}

/// Runs it; what it said, if it failed.
fn said(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    // Where they are is on root's path only, on some machines.
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
