//! A kill at every system call that makes or moves something: a restore is whole or not there, a
//! profile is whole, and the next command works.

use std::path::Path;
use std::time::Duration;

use keybackup_tests::trace::can_trace;
use keybackup_tests::{Device, Server, Tree, tree};

const EMAIL: &str = "alice@example.org";

/// Runs `keybackup` under strace and kills it at the `nth` call of this name; false when it made
/// fewer.
fn killed_at(device: &Device, arguments: &[&str], call: &str, nth: u32) -> bool {
    // The question mark: machines differ in which calls they have.
    let (trace, inject) =
        (format!("trace=?{call}"), format!("inject=?{call}:signal=KILL:when={nth}"));
    let wrapper = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    let output = device.command(arguments).under(&wrapper).run();
    match output.code {
        0 => false,
        137 => true,
        _ => panic!("{output}"),
    }
}

/// Takes `step` through the first, the second, … call of each name, until it is not killed any
/// more; answers how often it was.
fn at_every(calls: &[&str], mut step: impl FnMut(&str, u32) -> bool) -> u32 {
    let mut kills = 0;
    for call in calls {
        let mut nth = 1;
        while step(call, nth) {
            nth += 1;
        }
        kills += nth - 1;
    }
    kills
}

/// Holds rule 18.
#[test]
fn a_pull_that_is_killed_at_every_step_of_its_placement() {
    if !can_trace("kills at system calls") {
        return;
    }
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    let (work, back) = (device.persona("work"), device.path("back"));
    tree::reference(&work, "Alice");
    device.run(["push"]).expect(0);
    let whole = Tree::read(&work);
    let calls = ["mkdirat", "renameat", "renameat2", "fchmod", "syncfs", "fsync"];

    // Where nothing was: nothing, or all of it.
    let kills = at_every(&calls, |call, nth| {
        let killed = killed_at(&device, &["pull", "work", "back"], call, nth);
        if back.exists() {
            whole.assert_same(&Tree::read(&back));
            std::fs::remove_dir_all(&back).expect("removable");
        }
        killed
    });
    assert!(kills > 10, "{kills} kills");
    // What the killed ones left is swept by the next.
    device.run(["pull", "work", "back"]).expect(0);
    assert_eq!(device.leftovers(&back), [""; 0]);
    whole.assert_same(&Tree::read(&back));

    // Where something else was: at every moment the old or the new is there, whole, and the old
    // is somewhere.
    let mut replaced = 0;
    at_every(&calls, |call, nth| {
        std::fs::remove_dir_all(&back).expect("removable");
        for aside in asides(&back) {
            std::fs::remove_dir_all(aside).expect("removable");
        }
        tree::put(&back.join("mine"), b"precious", 0o600, Duration::from_secs(3));
        let old = Tree::read(&back);
        let killed = killed_at(&device, &["pull", "work", "back", "--force"], call, nth);
        let there = Tree::read(&back);
        if there != old {
            whole.assert_same(&there);
            let kept = asides(&back);
            assert_eq!(kept.len(), 1, "the old one is kept");
            old.assert_same(&Tree::read(&kept[0]));
            replaced += u32::from(killed);
        }
        killed
    });
    assert!(replaced > 0, "some kills came after the exchange");
    device.run(["pull", "work", "back", "--force"]).expect(0);
    assert_eq!(device.leftovers(&back), [""; 0]);
}

/// A tree with a directory that takes no files, as it is kept and as it comes back.
fn with_closed_directory(device: &Device) -> Tree {
    let work = device.persona("work");
    for name in ["closed/key", "closed/deeper/key", "open/key"] {
        tree::put(&work.join(name), b"secret", 0o400, Duration::from_secs(1));
    }
    for name in ["closed/deeper", "closed"] {
        tree::set_mode(&work.join(name), 0o500);
    }
    device.run(["push"]).expect(0);
    Tree::read(&work)
}

/// Holds rule 18.
#[test]
fn a_pull_that_is_interrupted_at_every_sync_leaves_nothing_also_of_closed_directories() {
    if !can_trace("Ctrl-C at system calls") {
        return;
    }
    let what = "Ctrl-C at system calls, without root's powers";
    let Some(powerless) = keybackup_tests::trace::powerless(what) else { return };
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    let whole = with_closed_directory(&device);
    let back = device.path("back");
    let remove_back = || {
        let mut remove = std::process::Command::new("chmod");
        assert!(remove.args(["-R", "u+w"]).arg(&back).status().expect("chmod is there").success());
        std::fs::remove_dir_all(&back).expect("removable");
    };
    let interrupted = at_every(&["fsync", "syncfs"], |call, nth| {
        let (trace, inject) = (format!("trace=?{call}"), interrupt_at(call, nth));
        let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
        let pull = device.command(["pull", "work", "back"]);
        let output = pull.under(&strace).under(&powerless).run();
        assert!(matches!(output.code, 0 | 130), "{output}");
        assert_eq!(device.leftovers(&back), [""; 0], "{call} {nth}");
        if back.exists() {
            whole.assert_same(&Tree::read(&back));
            remove_back();
        }
        output.code == 130
    });
    assert!(interrupted > 5, "{interrupted} interruptions");
}

#[test]
fn a_small_restore_does_not_wait_for_what_others_wrote() {
    if !can_trace("how a restore is made durable") {
        return;
    }
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    tree::reference(&device.persona("work"), "Alice");
    device.run(["push"]).expect(0);
    let trace = device.path("trace");
    let wrapper =
        ["strace", "-f", "-qq", "-o", trace.to_str().expect("text"), "-e", "trace=fsync,syncfs"];
    device.command(["pull", "work", "back"]).under(&wrapper).run().expect(0);
    let calls = std::fs::read_to_string(trace).expect("there");
    assert_eq!(calls.matches("syncfs(").count(), 0, "{calls}");
    // Every file and directory, the root, and what holds it.
    let nodes = Tree::read(&device.path("back")).0.len();
    assert!(calls.matches("fsync(").count() >= nodes + 2, "{nodes}: {calls}");
}

#[test]
fn a_zip_that_is_stopped_at_every_step_is_whole_or_not_there() {
    if !can_trace("signals at system calls") {
        return;
    }
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    tree::reference(&device.persona("work"), "Alice");
    device.run(["push"]).expect(0);
    device.run(["pull", "work", "--zip", "whole.zip"]).expect(0);
    let whole = std::fs::read(device.path("whole.zip")).expect("there");
    let zip = device.path("x.zip");
    // As it is, and where a nameless file can't be given a name.
    for fault in [&[][..], &["-e", "inject=linkat:error=EPERM"]] {
        for signal in ["KILL", "INT"] {
            let stops =
                at_every(&["copy_file_range", "renameat2", "rename", "fsync"], |call, nth| {
                    let trace = format!("trace=?{call},linkat");
                    let inject = match signal {
                        "INT" => interrupt_at(call, nth),
                        _ => format!("inject=?{call}:signal=KILL:when={nth}"),
                    };
                    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace];
                    let strace = [&strace, fault, &["-e", &inject]].concat();
                    let pull = device.command(["pull", "work", "--zip", "x.zip"]);
                    let output = pull.under(&strace).run();
                    assert!(matches!(output.code, 0 | 130 | 137), "{output}");
                    if let Ok(bytes) = std::fs::read(&zip) {
                        assert!(bytes == whole, "half of it: {fault:?} {call} {nth}: {output}");
                        std::fs::remove_file(&zip).expect("there");
                    }
                    if signal == "INT" {
                        assert_eq!(device.leftovers(&zip), [""; 0], "{fault:?} {call} {nth}");
                    }
                    output.code != 0
                });
            assert!(stops >= 2, "{fault:?} {signal}: {stops} stops");
        }
    }
    // What kills left goes with the next one.
    device.run(["pull", "work", "--zip", "x.zip"]).expect(0);
    assert_eq!(device.leftovers(&zip), [""; 0]);
}

/// For strace: Ctrl-C at the `nth` call of this name. A thread of its own handles the signal, so
/// this call and the next ones take long enough for it.
fn interrupt_at(call: &str, nth: u32) -> String {
    format!("inject=?{call}:signal=INT:delay_exit=1000000:when={nth}+")
}

fn asides(path: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(path.parent().expect("it has one")).expect("listable");
    let paths = entries.map(|entry| entry.expect("readable").path());
    paths.filter(|path| path.to_string_lossy().contains(".keybackup-old-")).collect()
}

#[test]
fn a_push_that_is_killed_at_every_write_to_the_profile() {
    if !can_trace("kills at system calls") {
        return;
    }
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    let work = device.persona("work");
    tree::reference(&work, "Alice");
    device.run(["push"]).expect(0);
    let mut version = 1;
    let calls =
        ["rename", "renameat", "renameat2", "fsync", "fdatasync", "mkdir", "flock", "fcntl"];
    let kills = at_every(&calls, |call, nth| {
        version += 1;
        tree::put(
            &work.join("note"),
            format!("{version}").as_bytes(),
            0o600,
            Duration::from_secs(version),
        );
        let killed = killed_at(&device, &["push"], call, nth);
        // Whatever was cut off: the profile is whole, and the same command works.
        let pushed = device.one(["push"]);
        assert_eq!(pushed["version"], version, "{call} {nth}");
        killed
    });
    assert!(kills >= 3, "{kills} kills");
    device.run(["verify"]).expect(0);
}
