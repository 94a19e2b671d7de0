//! A directory goes from one device to another, byte for byte, and nothing that is unchanged
//! travels twice.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use keybackup_tests::trace::can_trace;
use keybackup_tests::{Device, PATIENCE, Recorder, Running, Server, Tree, search, tree};

#[test]
fn a_second_device_gets_the_same_tree() {
    let server = Server::start();
    let one = Device::registered(&server.url, "alice@example.org");
    let (plain, odd) = (one.persona("wOrk-1"), one.path("odd ö"));
    tree::reference(&plain, "Alice Ω");
    tree::odd(&odd);

    let pushed = one.one(["push", "wOrk-1"]);
    assert_eq!(pushed["version"], 1);
    assert_eq!(pushed["changed"], true);
    assert_eq!(pushed["nickname"], "Alice Ω");
    assert_eq!(pushed["files"], 20);
    assert_eq!(one.one(["push", "./odd ö"])["name"], "odd ö");

    let two = Device::logged_in(&server.url, "alice@example.org");
    let listed = two.json(["list"]);
    let names: Vec<_> =
        listed["personas"].as_array().expect("a list").iter().map(|p| &p["name"]).collect();
    assert_eq!(names, ["odd ö", "wOrk-1"]);
    let pulled = two.one(["pull", "wOrk-1"]);
    assert_eq!(pulled["changed"], true);
    assert_eq!(pulled["path"], two.persona("wOrk-1").display().to_string());
    Tree::read(&plain).assert_same(&Tree::read(&two.persona("wOrk-1")));
    two.run(["pull", "odd ö", "elsewhere/deep"]).expect(0);
    Tree::read(&odd).assert_same(&Tree::read(&two.path("elsewhere/deep")));

    // Again: nothing to do, on either side.
    assert_eq!(two.one(["pull", "wOrk-1"])["changed"], false);
    assert_eq!(two.one(["push", "wOrk-1"])["changed"], false);
    assert_eq!(two.leftovers(&two.persona("wOrk-1")), [""; 0]);
    assert_eq!(std::fs::read_dir(two.tmp()).expect("listable").count(), 0);
}

#[test]
fn what_is_unchanged_is_one_request() {
    let server = Server::start();
    let recorder = Recorder::start(&server.url);
    let device = Device::registered(&recorder.url, "alice@example.org");
    tree::reference(&device.persona("work"), "Alice");
    device.run(["push"]).expect(0);

    recorder.clear();
    let pushed = device.one(["push"]);
    assert_eq!(pushed["changed"], false);
    assert_eq!(pushed["sent"], 0);
    let asked = |recorder: &Recorder| {
        recorder.requests().iter().map(|r| format!("{} {}", r.method, r.target)).collect::<Vec<_>>()
    };
    assert_eq!(asked(&recorder), ["GET /personas"]);
    // The first one may have fetched what the push made; from here on the listing is known, too.
    recorder.clear();
    assert_eq!(device.one(["push"])["changed"], false);
    let bytes = recorder.bytes();
    assert!(
        search::find(&bytes, b"304 Not Modified").is_some(),
        "{}",
        String::from_utf8_lossy(&bytes)
    );

    // A dry run says what would be, and does nothing.
    tree::put(&device.persona("work").join("new"), b"new", 0o600, Duration::from_secs(1));
    recorder.clear();
    let dry = device.json(["push", "--dry-run"]);
    assert_eq!((&dry["dry_run"], &dry["personas"][0]["changed"]), (&true.into(), &true.into()));
    assert_eq!(asked(&recorder), ["GET /personas"]);
    assert_eq!(device.one(["list"])["version"], 1);

    // What changed is pushed: a look, and a commit.
    recorder.clear();
    assert_eq!(device.one(["push"])["version"], 2);
    let asked = asked(&recorder);
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(asked[1].starts_with("POST /personas/"), "{asked:?}");
}

/// A file whose size, times and inode are as they were is not read again, but with `--rehash`: so
/// a change that leaves them alone, which nothing but a look at the bytes can tell, is found.
#[test]
fn rehash_reads_what_the_cache_knows() {
    if !can_trace("what --rehash reads") {
        return;
    }
    let server = Server::start();
    let device = Device::registered(&server.url, "alice@example.org");
    let file = device.persona("work").join("precious");
    tree::put(&file, b"one", 0o600, Duration::from_secs(1_000_000));
    assert_eq!(device.one(["push"])["version"], 1);
    let trace = device.path("trace");
    let reads = |arguments: &[&str]| {
        let output = trace.to_str().expect("text");
        let strace = ["strace", "-f", "-qq", "-o", output, "-e", "trace=openat"];
        device.command(arguments).under(&strace).run().expect(0);
        std::fs::read_to_string(&trace).expect("there").contains("\"precious\"")
    };
    // For its first two seconds a file may change under the same times, and is not relied upon.
    let deadline = Instant::now() + PATIENCE;
    while reads(&["push"]) {
        assert!(Instant::now() < deadline, "nothing is ever known");
    }
    assert!(reads(&["push", "--rehash"]));
    assert!(!reads(&["push"]));
    tree::put(&file, b"two", 0o600, Duration::from_secs(1_000_000));
    assert_eq!(device.one(["push", "--rehash"])["version"], 2);
    assert_eq!(device.run(["cat", "work", "precious"]).expect(0).stdout, "two");
}

#[test]
fn looking_inside_writes_nothing() {
    let server = Server::start();
    let device = Device::registered(&server.url, "alice@example.org");
    let work = device.persona("work");
    tree::reference(&work, "Alice");
    device.run(["push"]).expect(0);
    let before = Tree::read(&work);

    let files = device.json(["files", "work"]);
    let entries = files["entries"].as_array().expect("a list");
    let face = entries.iter().find(|e| e["path"] == "images/face.png").expect("it is there");
    assert_eq!(
        (&face["size"], &face["mode"], &face["type"]),
        (&5000.into(), &"0644".into(), &"file".into())
    );
    let cat = device.run(["cat", "work", "images/face.png"]).expect(0);
    assert_eq!(cat.bytes, tree::noise(5_000, 1));
    device.run(["cat", "work", "images/none.png"]).expect(10);
    device.run(["cat", "none", "persona.json"]).expect(10);

    let diff = device.one(["diff", "work"]);
    assert_eq!((&diff["same"], &diff["changes"]), (&true.into(), &serde_json::json!([])));
    tree::put(&work.join("persona.json"), b"{}", 0o600, Duration::from_secs(7));
    tree::put(&work.join("added"), b"", 0o600, Duration::from_secs(7));
    std::fs::remove_file(work.join("images/face.png")).expect("it is there");
    let diff = device.one(["diff", "work"]);
    let changes: Vec<_> = diff["changes"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|c| (c["path"].as_str().expect("a path"), c["change"].as_str().expect("a word")))
        .collect();
    assert_eq!(
        changes,
        [("added", "added"), ("images/face.png", "removed"), ("persona.json", "modified")]
    );

    let verified = device.one(["verify"]);
    assert_eq!((&verified["verified"], &verified["version"]), (&true.into(), &1.into()));
    assert!(verified["received"].as_u64().expect("a number") > 5_000);
    device.run(["verify", "--all"]).expect(0);

    device.run(["pull", "work", "back"]).expect(0);
    before.assert_same(&Tree::read(&device.path("back")));
    assert_eq!(std::fs::read_dir(device.tmp()).expect("listable").count(), 0);
}

#[test]
fn an_ordinary_zip_is_read_by_others() {
    let server = Server::start();
    let device = Device::registered(&server.url, "alice@example.org");
    let odd = device.path("odd");
    tree::odd(&odd);
    tree::large(&odd.join("large"), 3);
    device.run(["push", "./odd"]).expect(0);
    let pulled = device.one(["pull", "odd", "--zip", "odd.zip"]);
    let zip = device.path("odd.zip");
    assert_eq!(pulled["zip"], zip.display().to_string());
    assert_eq!(mode(&zip), 0o600);
    device.run(["pull", "odd", "--zip", "odd.zip"]).expect(11);
    device.run(["pull", "odd", "--zip", "odd.zip", "--force"]).expect(0);

    // A link is replaced, and what it points to is left alone.
    std::fs::write(device.path("mine"), "mine").expect("writable");
    std::os::unix::fs::symlink("mine", device.path("link.zip")).expect("linked");
    device.run(["pull", "odd", "--zip", "link.zip"]).expect(11);
    device.run(["pull", "odd", "--zip", "link.zip", "--force"]).expect(0);
    let bytes = |name: &str| std::fs::read(device.path(name)).expect("readable");
    assert_eq!((bytes("mine"), bytes("link.zip")), (b"mine".to_vec(), bytes("odd.zip")));

    // Standard output has the zip alone, and takes neither JSON nor a terminal.
    let pull = ["pull", "odd", "--zip", "-"];
    let piped =
        device.command(pull).under(&["sh", "-c", "\"$@\" > piped.zip", "sh"]).run().expect(0);
    assert!(piped.stderr.contains("written to standard output"), "{piped}");
    assert_eq!(bytes("piped.zip"), bytes("odd.zip"));
    assert!(!device.path("-").exists());
    device.run([&pull[..], &["--json"]].concat()).expect(2);

    let check = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(device.home())
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC");
        Running::spawn(&mut command, b"").wait(program).expect(0)
    };
    check("unzip", &["-q", "-t", "odd.zip"]);
    check("python3", &["-c", include_str!("same_zip.py"), "odd.zip", "odd"]);
}

#[test]
fn a_zip_of_the_old_service_becomes_a_persona() {
    let server = Server::start();
    let one = Device::registered(&server.url, "alice@example.org");
    let pid = "Jd8mPq3xYw0ZtVb7sLk2nRf5uHc9gEa1oTi4vXy6zBQ";
    let old = one.path(&format!("old/{pid}"));
    tree::reference(&old, "Alice");
    // The old service kept whole seconds; a zip keeps even ones.
    even_seconds(&old);
    for (zip, flag) in [("flat.zip", "flat"), ("topped.zip", "topped")] {
        let mut python = Command::new("python3");
        python
            .args(["-c", include_str!("old_zip.py"), zip])
            .arg(&old)
            .arg(flag)
            .env("TZ", "UTC")
            .current_dir(one.home());
        Running::spawn(&mut python, b"").wait("python3").expect(0);
    }
    assert_eq!(one.json(["import", "flat.zip", "--dry-run"])["personas"][0]["changed"], true);
    assert_eq!(one.json(["list"])["personas"], serde_json::json!([]));
    let imported = one.one(["import", "flat.zip"]);
    assert_eq!((&imported["name"], &imported["nickname"]), (&pid.into(), &"Alice".into()));
    assert_eq!(imported["changed"], true);
    assert_eq!(one.one(["import", "topped.zip", "--name", pid])["changed"], false);

    let two = Device::logged_in(&server.url, "alice@example.org");
    two.run(["pull"]).expect(0);
    Tree::read(&old).assert_same(&Tree::read(&two.persona(pid)));
    // What was restored is what a push would send.
    assert_eq!(two.one(["push"])["changed"], false);
    // The nickname finds it, too.
    two.run(["verify", "Alice"]).expect(0);

    // Something else under that name is a conflict, and damage is refused.
    tree::put(&old.join("more"), b"more", 0o600, Duration::from_secs(1_000_000_000));
    let mut python = Command::new("python3");
    python
        .args(["-c", include_str!("old_zip.py"), "other.zip"])
        .arg(&old)
        .arg("flat")
        .env("TZ", "UTC")
        .current_dir(one.home());
    Running::spawn(&mut python, b"").wait("python3").expect(0);
    one.run(["import", "other.zip"]).expect(11);
    let mut bytes = std::fs::read(one.path("flat.zip")).expect("readable");
    let middle = bytes.len() / 3;
    bytes[middle] ^= 1;
    std::fs::write(one.path("damaged.zip"), bytes).expect("writable");
    one.run(["import", "damaged.zip", "--name", "damaged"]).expect(1);
    assert_eq!(one.json(["list"])["personas"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_server_that_asks_for_invitations() {
    let server = Server::with(&["--registration", "invite"]);
    let device = Device::new(&server.url);
    let register = |more: &[&str]| {
        let arguments = [&["register", "alice@example.org", "--json"], more].concat();
        device.command(arguments).password(keybackup_tests::PASSWORD).run()
    };
    register(&[]).expect(4);
    register(&["--invite", "KB-AAAA-AAAA"]).expect(4);
    let data = server.data().display().to_string();
    let made = server.run(&["invite", "create", "--data", &data, "--uses", "1"]).expect(0);
    let code = made.stdout.split_whitespace().next().expect("a code").to_owned();
    let listed = server.run(&["invite", "list", "--data", &data]).expect(0);
    assert!(!listed.stdout.contains(&code), "a list does not show codes: {listed}");
    register(&["--invite", &code]).expect(0);
    let other = Device::new(&server.url);
    let again = other.command(["register", "bob@example.org", "--json", "--invite", &code]);
    again.password(keybackup_tests::PASSWORD).run().expect(4);
    let health = server.run(&["health", "--listen", server.address()]);
    health.expect(0);
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

fn even_seconds(directory: &Path) {
    for (path, mode, bytes) in search::files(directory) {
        if let Some(bytes) = bytes {
            tree::put(&path, &bytes, mode, Duration::from_secs(1_582_979_696));
        }
    }
}
