//! Runs under strace, which watches system calls, fails them, or sends a signal at one.

use std::process::Command;

/// Whether strace works here; if not, that is said.
pub fn can_trace(what: &str) -> bool {
    let probe = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).output();
    let works = probe.is_ok_and(|output| output.status.success());
    if !works {
        crate::not_run(what, "strace does not work here");
    }
    works
}

/// What starts a program without root's power over modes: to root without capabilities a
/// directory that is read-only is read-only, too. Others need nothing. `None`, which is said,
/// where that can't be had.
pub fn powerless(what: &str) -> Option<Vec<&'static str>> {
    if !rustix::process::geteuid().is_root() {
        return Some(vec!["env"]);
    }
    let start = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
    let probe = Command::new(start[0]).args(&start[1..]).arg("true").output();
    if !probe.is_ok_and(|output| output.status.success()) {
        crate::not_run(what, "setpriv does not work here");
        return None;
    }
    Some(start.to_vec())
}
