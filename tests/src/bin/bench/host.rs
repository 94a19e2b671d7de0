//! The machine, and the versions of what is measured: figures mean nothing without.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use rustix::fs::statfs;
use serde::Serialize;

use crate::others::installed;

/// How each program tells its version.
const PROGRAMS: [(&str, &str); 10] = [
    ("restic", "version"),
    ("rclone", "version"),
    ("borg", "--version"),
    ("tar", "--version"),
    ("zstd", "--version"),
    ("age", "--version"),
    ("cp", "--version"),
    ("nginx", "-v"),
    ("wrk", "-v"),
    ("rustic-server", "--version"),
];

/// Facts about the machine.
#[derive(Debug, Serialize)]
pub(crate) struct Host {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_mib: u64,
    pub(crate) kernel: String,
    /// Of the directory that everything is measured in.
    pub(crate) file_system: String,
    /// Versions by program.
    pub(crate) versions: BTreeMap<&'static str, String>,
}

impl Host {
    /// This one.
    pub(crate) fn look(work: &Path) -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let field = |path, name: &str| {
            let text = read(path);
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().trim_start_matches([' ', '\t', ':']).to_owned()
        };
        let memory = field("/proc/meminfo", "MemTotal");
        let memory_kib = memory.split(' ').next().and_then(|kib| kib.parse::<u64>().ok());
        Self {
            processor: field("/proc/cpuinfo", "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: memory_kib.unwrap_or_default() >> 10,
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            file_system: file_system(work),
            versions: PROGRAMS.into_iter().filter_map(version).collect(),
        }
    }

    /// Whether making things durable costs nothing here, so that the figures flatter.
    pub(crate) fn is_in_memory(&self) -> bool {
        self.file_system == "tmpfs"
    }
}

/// The name of a file system, or its number (statfs(2)).
fn file_system(path: &Path) -> String {
    match statfs(path).map(|found| found.f_type) {
        Ok(0xef53) => "ext4".to_owned(),
        Ok(0x5846_5342) => "xfs".to_owned(),
        Ok(0x9123_683e) => "btrfs".to_owned(),
        Ok(0x794c_7630) => "overlay".to_owned(),
        Ok(0x2fc1_2fc1) => "zfs".to_owned(),
        Ok(0x0102_1994) => "tmpfs".to_owned(),
        Ok(other) => format!("{other:#x}"),
        Err(error) => error.to_string(),
    }
}

/// What a program says first that has a digit in it.
fn version((program, argument): (&'static str, &str)) -> Option<(&'static str, String)> {
    let program_path = installed(program)?;
    // wrk tells its version and fails; nginx tells it on standard error.
    let output = Command::new(program_path).arg(argument).output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let word = said.split([' ', '\n', '/', ',']).find(|word| {
        let word = word.trim_start_matches(['v', '*']);
        word.starts_with(|first: char| first.is_ascii_digit())
    });
    Some((program, word.unwrap_or("of an unknown version").trim_matches('*').to_owned()))
}
