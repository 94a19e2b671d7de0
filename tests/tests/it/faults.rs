//! Full and read-only disks, on either side: a clear message, exit 1, nothing lost, nothing
//! half-written, and service when there is room again.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use keybackup_tests::disk::SmallDisk;
use keybackup_tests::{Device, Output, Server, Tree, program, tree};

const EMAIL: &str = "alice@example.org";

#[track_caller]
fn full(output: Output, code: &str) {
    let error = output.expect(1).error();
    assert_eq!(error["code"], code, "{error}");
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("listable");
    let names =
        entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned());
    names.filter(|name| name != "ballast").collect()
}

#[test]
fn a_restore_onto_a_full_disk() {
    let Some(disk) = SmallDisk::mount("a restore onto a full disk", 8) else { return };
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    tree::reference(&device.persona("small"), "Alice");
    tree::put(
        &device.persona("large").join("file"),
        &tree::noise(9 << 20, 3),
        0o600,
        Duration::from_secs(1),
    );
    device.run(["push", "--all"]).expect(0);

    let (large, small) = (disk.path().join("large"), disk.path().join("small"));
    let pull = |persona: &str, target: &Path, more: &[&str]| {
        let target = target.display().to_string();
        device.command([&["pull", persona, &target, "--json"], more].concat()).run()
    };
    full(pull("large", &large, &[]), "disk_full");
    assert_eq!(names(disk.path()), [""; 0]);
    let zip = disk.path().join("large.zip").display().to_string();
    full(device.command(["pull", "large", "--zip", &zip, "--json"]).run(), "disk_full");
    assert_eq!(names(disk.path()), [""; 0]);
    // There is room enough for the small one.
    pull("small", &small, &[]).expect(0);
    Tree::read(&device.persona("small")).assert_same(&Tree::read(&small));

    // A replacement that does not fit leaves what was there.
    tree::put(&small.join("mine"), b"precious", 0o600, Duration::from_secs(1));
    let before = Tree::read(&small);
    let ballast = disk.fill(0);
    full(pull("small", &small, &["--force"]), "disk_full");
    before.assert_same(&Tree::read(&small));
    assert_eq!(names(disk.path()), ["small"]);
    std::fs::remove_file(ballast).expect("there");
    pull("small", &small, &["--force"]).expect(0);
    // And one that runs out in the middle, where nobody could foresee it.
    let Some(disk) = SmallDisk::with("a disk without inodes", "size=8m,nr_inodes=12") else {
        return;
    };
    full(pull("small", &disk.path().join("again"), &[]), "disk_full");
    assert_eq!(names(disk.path()), [""; 0]);
}

#[test]
fn a_push_whose_spool_is_full() {
    let Some(disk) = SmallDisk::mount("a push whose spool is full", 24) else { return };
    let server = Server::start();
    let device = Device::new(&server.url);
    let run = |arguments: &[&str]| device.command(arguments).env("KEYBACKUP_DATA_DIR", disk.path());
    run(&["register", EMAIL, "--json"]).password(keybackup_tests::PASSWORD).run().expect(0);
    let work = device.persona("work");
    tree::reference(&work, "Alice");
    run(&["push"]).run().expect(0);
    tree::put(&work.join("large"), &tree::noise(40 << 20, 4), 0o600, Duration::from_secs(1));
    full(run(&["push", "--json"]).run(), "disk_full");
    // Where there is room, it goes, and comes back.
    let elsewhere = device.path("room");
    let elsewhere_named = elsewhere.display().to_string();
    let push = ["push", "--json", "--spool-dir", &elsewhere_named];
    assert_eq!(run(&push).run().expect(2).error()["code"], "usage");
    std::fs::create_dir(&elsewhere).expect("a new directory");
    let pushed = run(&push).run().expect(0).json()["personas"][0].clone();
    assert_eq!(pushed["version"], 2);
    full(run(&["pull", "work", "back", "--json"]).run(), "disk_full");
    run(&["pull", "work", "back"]).env("KEYBACKUP_SPOOL_DIR", &elsewhere).run().expect(0);
    Tree::read(&work).assert_same(&Tree::read(&device.path("back")));
    assert_eq!(names(&elsewhere), [""; 0]);
    let spool = disk.path().join("profiles/default/spool");
    assert_eq!(std::fs::read_dir(spool).map_or(0, Iterator::count), 0);
    assert_eq!(run(&["list", "--json"]).run().expect(0).json()["personas"][0]["version"], 2);

    // Not even room for what was seen: it is said, and what was there stays whole.
    std::fs::remove_file(work.join("large")).expect("there");
    tree::put(&work.join("small"), b"small", 0o600, Duration::from_secs(1));
    let ballast = disk.fill(0);
    full(run(&["push", "--json"]).run(), "disk_full");
    // What the server has is not told as if it had nothing.
    let renamed = run(&["rename", "work", "play", "--json"]).run().expect(1);
    assert!(
        renamed.error()["message"].as_str().expect("a text").contains("the server has"),
        "{renamed}"
    );
    std::fs::remove_file(ballast).expect("there");
    assert_eq!(run(&["list", "--json"]).run().expect(0).json()["personas"][0]["name"], "play");
    run(&["rename", "play", "work"]).run().expect(0);
    let pushed = run(&["push", "--json"]).run().expect(0).json()["personas"][0].clone();
    assert_eq!(pushed["version"], 5);
    run(&["verify", "--spool-dir", &elsewhere_named]).run().expect(0);
}

#[test]
fn a_server_whose_log_can_not_be_written() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut command = Command::new(program("keybackup-server"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(directory.path().join("data"));
    let mut server = command.stderr(Stdio::piped()).spawn().expect("started");
    let log = BufReader::new(server.stderr.take().expect("a pipe"));
    // Whoever reads the log leaves once the address is known.
    let url = log
        .lines()
        .find_map(|line| Some(line.expect("text").split_once("listening on ")?.1.to_owned()));
    let device = Device::registered(&url.expect("it says so"), EMAIL);
    for _ in 0..5 {
        device.run(["list"]).expect(0);
    }
    assert!(server.try_wait().expect("it is ours").is_none(), "it goes on");
    server.kill().expect("it is ours");
    server.wait().expect("it is ours");
}

#[test]
fn a_server_whose_disk_is_full() {
    let Some(disk) = SmallDisk::mount("a server whose disk is full", 48) else { return };
    let server = Server::on(&disk.path().join("data"), &[]);
    let device = Device::registered(&server.url, EMAIL);
    let (small, large) = (device.persona("small"), device.persona("large"));
    tree::reference(&small, "Alice");
    tree::put(&large.join("file"), &tree::noise(12 << 20, 5), 0o600, Duration::from_secs(1));
    device.run(["push", "--all"]).expect(0);

    let ballast = disk.fill(64);
    tree::put(&large.join("more"), &tree::noise(2 << 20, 6), 0o600, Duration::from_secs(1));
    let refused = device.command(["push", "large", "--json"]).run().expect(1);
    let error = refused.error();
    assert_eq!(error["code"], "quota", "{error}");
    assert!(error["message"].as_str().expect("text").contains("disk"), "{error}");
    // Rows need room, too.
    let mut refusals = 0;
    for n in 0..40 {
        tree::put(&small.join("note"), &tree::noise(8_000, n), 0o600, Duration::from_secs(n));
        let output = device.command(["push", "small", "--json"]).run();
        if output.code != 0 {
            assert_eq!(output.clone().expect(1).error()["code"], "quota", "{output}");
            refusals += 1;
        }
    }
    assert!(refusals > 0, "the disk was full");
    // What is there can be had, and the server lives.
    device.run(["verify", "--all"]).expect(0);
    std::fs::remove_file(ballast).expect("there");
    device.run(["push", "--all"]).expect(0);
    device.run(["verify", "--all"]).expect(0);
    device.run(["pull", "large", "back"]).expect(0);
    Tree::read(&large).assert_same(&Tree::read(&device.path("back")));
    // Nothing of the failed ones is left to fill the disk, after a restart at the latest.
    server.kill();
    server.restart();
    device.run(["verify", "--all"]).expect(0);
}

#[test]
fn a_destination_that_can_only_be_read() {
    let Some(disk) = SmallDisk::mount("a destination that can only be read", 2) else { return };
    let server = Server::start();
    let device = Device::registered(&server.url, EMAIL);
    tree::reference(&device.persona("work"), "Alice");
    device.run(["push"]).expect(0);
    let remount = Command::new("mount").args(["-o", "remount,ro"]).arg(disk.path()).status();
    assert!(remount.expect("mount is there").success());
    for target in ["back", "deep/back"] {
        let target = disk.path().join(target).display().to_string();
        let error = device.command(["pull", "work", &target, "--json"]).run().expect(1).error();
        assert_eq!(error["code"], "io", "{error}");
        let message = error["message"].as_str().expect("text");
        assert!(
            message.contains("ead-only") && message.contains(&disk.path().display().to_string()),
            "{error}"
        );
    }
    let zip = disk.path().join("x.zip").display().to_string();
    full(device.command(["pull", "work", "--zip", &zip, "--json"]).run(), "io");
    // Where a file stands in the way of a directory.
    std::fs::write(device.path("file"), "x").expect("writable");
    device.run(["pull", "work", "file"]).expect(11);
    device.run(["pull", "work", "file/below"]).expect(1);
    assert_eq!(std::fs::read_to_string(device.path("file")).expect("there"), "x");
}
