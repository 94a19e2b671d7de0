//! The device: its clock, its memory, what it does with the memory of a program that crashed.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Resource, getrlimit};

use super::{Check, Status};
use crate::harden;
use crate::ui::{age, size, timestamp};

/// What the key derivation of a password takes, in bytes.
const ARGON2ID_BYTES: u64 = 256 << 20;
/// Seconds by which the clocks of device and server may differ: a certificate or a session that
/// has just begun is taken for one of the future beyond that.
const SKEW_S: i64 = 300;
/// 2025-01-01: no clock that is right shows less.
const EARLIEST_S: i64 = 1_735_689_600;

/// The clock, compared with the server's if that is known.
pub(super) fn clock(server_s: Option<i64>) -> Check {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    clock_at(i64::try_from(since.as_secs()).unwrap_or(i64::MAX), server_s)
}

fn clock_at(now_s: i64, server_s: Option<i64>) -> Check {
    let check = |status, message: String| Check::new("clock", status, message);
    let shown = timestamp(now_s);
    match server_s {
        Some(server_s) if (now_s - server_s).abs() > SKEW_S => check(
            Status::Warning,
            format!("{shown}, and the server's shows {}", timestamp(server_s)),
        )
        .hint("set the clock that is wrong"),
        Some(_) => check(Status::Ok, format!("{shown}, like the server's")),
        None if now_s < EARLIEST_S => {
            check(Status::Failed, format!("{shown} ({}) can't be", age(EARLIEST_S - now_s)))
                .hint("set this device's clock")
        }
        None => check(Status::Ok, shown),
    }
}

/// Whether a crash would write keys to the disk.
pub(super) fn core_dumps() -> Check {
    if harden::no_core_dumps() {
        Check::new("core_dumps", Status::Ok, "off for this program")
    } else {
        Check::new(
            "core_dumps",
            Status::Warning,
            "this system does not let this program turn them off",
        )
    }
}

/// Whether there is enough memory to log in.
pub(super) fn memory() -> Check {
    let available = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| available(&text));
    memory_of(available, getrlimit(Resource::As).current)
}

fn memory_of(available: Option<u64>, limit: Option<u64>) -> Check {
    let needed = format!("a login needs {}", size(ARGON2ID_BYTES));
    let check = |status, message: String| Check::new("memory", status, message);
    // Address space is also taken by code and stacks, hence twice.
    if let Some(limit) = limit.filter(|&limit| limit < 2 * ARGON2ID_BYTES) {
        return check(Status::Failed, format!("limited to {}, and {needed}", size(limit)))
            .hint("ulimit -v unlimited");
    }
    match available {
        Some(bytes) if bytes < ARGON2ID_BYTES => {
            check(Status::Failed, format!("{} available, and {needed}", size(bytes)))
        }
        Some(bytes) => check(Status::Ok, format!("{} available, {needed}", size(bytes))),
        None => check(Status::Skipped, format!("this system does not tell; {needed}")),
    }
}

/// `MemAvailable` of `/proc/meminfo`, in bytes.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_compared_with_the_servers_or_with_reason() {
        let now = 1_800_000_000;
        for (now, server, status) in [
            (now, None, Status::Ok),
            (now, Some(now + 300), Status::Ok),
            (now, Some(now - 301), Status::Warning),
            (0, None, Status::Failed),
        ] {
            assert_eq!(clock_at(now, server).status, status, "{now} {server:?}");
        }
    }

    #[test]
    fn memory_has_to_do_for_a_login() {
        let enough = Some(256 << 20);
        for (available, limit, status) in [
            (enough, None, Status::Ok),
            (Some((256 << 20) - 1), None, Status::Failed),
            (enough, Some(1 << 30), Status::Ok),
            (enough, Some(256 << 20), Status::Failed),
            (None, None, Status::Skipped),
        ] {
            assert_eq!(memory_of(available, limit).status, status, "{available:?} {limit:?}");
        }
    }

    #[test]
    fn meminfo_is_read_in_kibibytes() {
        let text = "MemTotal:       100 kB\nMemAvailable:     2048 kB\n";
        assert_eq!(available(text), Some(2 << 20));
        assert_eq!(available("MemTotal: 100 kB\n"), None);
    }
}
