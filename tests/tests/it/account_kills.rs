//! Client and server killed at every step of what changes an account: reset, unlocking, undoing,
//! another phrase, another address. Afterwards it is as before or as it was to be, and the
//! same command again makes it so.
//!
//! Each kill begins from a copy of the same state. Continuous integration tries some of the steps, others for each
//! command; `KEYBACKUP_EVERY_KILL=1` tries them all.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use keybackup_tests::device::Invocation;
use keybackup_tests::trace::can_trace;
use keybackup_tests::{Device, PASSWORD, PATIENCE, Server, Tree, tree};
use rustix::process::Signal;

const EMAIL: &str = "alice@example.org";
const MOVED: &str = "alice@example.net";
const NEW: &str = "another quite good passphrase";

/// Where a client is killed: before it sends or reads; before it makes durable, publishes, or removes.
/// Calls of one kind are made by one thread, and counted by thread.
const CLIENT: [&str; 2] =
    ["writev,sendto,recvfrom", "fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat"];
/// Where a server is: before it writes or makes durable, and before it answers.
const SERVER: [&str; 2] = ["pwrite64,fdatasync,fsync,ftruncate,unlink", "writev,sendto"];

/// Steps between two kills, where not all are tried.
const STRIDE: usize = 9;

/// A server and a device in some state, which every kill begins from.
struct Scene {
    server: Server,
    device: Device,
    phrase: String,
    tree: Tree,
    kept: tempfile::TempDir,
}

fn copy(from: &Path, to: &Path) {
    if to.exists() {
        fs::remove_dir_all(to).expect("removes");
    }
    let status = Command::new("cp").arg("-a").args([from, to]).status().expect("cp runs");
    assert!(status.success());
}

impl Scene {
    /// An account with the persona `work`.
    fn new() -> Self {
        let server = Server::start();
        let device = Device::new(&server.url);
        let register = device.command(["register", EMAIL, "--json"]).password(PASSWORD);
        let phrase = register.run().expect(0).json()["recovery_phrase"].as_str().map(str::to_owned);
        tree::reference(&device.persona("work"), "Alice");
        device.run(["push"]).expect(0);
        let tree = Tree::read(&device.persona("work"));
        let kept = tempfile::tempdir().expect("a directory");
        Self { server, device, phrase: phrase.expect("a phrase"), tree, kept }
    }

    /// The same after a reset without phrase, made on the same device.
    fn displaced() -> Self {
        let scene = Self::new();
        scene
            .reset_command(&["--without-phrase", "--yes", "--recovery-file", "lost"])
            .run()
            .expect(0);
        scene
    }

    fn reset_command(&self, more: &[&str]) -> Invocation {
        let code = self.server.plant_reset_code(EMAIL);
        let start = ["password", "reset", EMAIL, "--json", "--code", &code];
        let command = self.device.command([&start[..], more].concat());
        command.env("KEYBACKUP_NEW_PASSWORD", NEW)
    }

    fn keep(&self) {
        self.server.kill();
        copy(self.server.data(), &self.kept.path().join("data"));
        copy(&self.device.home(), &self.kept.path().join("home"));
        self.server.restart();
    }

    fn rewind(&self) {
        self.server.kill();
        copy(&self.kept.path().join("data"), self.server.data());
        copy(&self.kept.path().join("home"), &self.device.home());
        self.server.restart();
    }

    /// Kills the client, then the server, at step after step of a command; `check` looks what
    /// became of it, and is told whether the command said that it was done.
    fn kill(
        &self,
        offset: usize,
        command: impl Fn(&Self) -> Invocation,
        check: impl Fn(&Self, bool),
    ) {
        if !can_trace("kills at system calls") {
            return;
        }
        self.keep();
        let every = std::env::var_os("KEYBACKUP_EVERY_KILL").is_some();
        let stride = if every { 1 } else { STRIDE };
        let kills = |run: &dyn Fn(usize) -> bool| {
            let (mut kills, mut nth) = (0, 1 + if every { 0 } else { offset % STRIDE });
            while run(nth) {
                (kills, nth) = (kills + 1, nth + stride);
                self.rewind();
            }
            self.rewind();
            kills
        };
        let of_client = CLIENT.map(|calls| {
            kills(&|nth| {
                let traced = format!("trace={calls}");
                let inject = format!("inject={calls}:signal=KILL:when={nth}");
                let wrapper =
                    ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &traced, "-e", &inject];
                let output = command(self).under(&wrapper).run();
                assert!([0, 137].contains(&output.code), "{nth}: {output}");
                check(self, output.code == 0);
                output.code == 137
            })
        });
        let of_server = SERVER.map(|calls| {
            kills(&|nth| {
                let prepared = command(self);
                let tracer = self.server.kill_at(calls, nth);
                let output = prepared.run();
                // Whom it traces is gone when it ends by itself.
                let killed = tracer.ends_within(Duration::from_millis(100));
                if killed {
                    self.server.kill();
                    self.server.restart();
                } else {
                    tracer.signal(Signal::TERM);
                    assert!(tracer.ends_within(PATIENCE), "strace lets go");
                }
                check(self, output.code == 0);
                killed
            })
        });
        println!("kills of the client {of_client:?}, of the server {of_server:?}");
        let enough = if every { 4 } else { 1 };
        for kills in [of_client.iter().sum::<i32>(), of_server.iter().sum()] {
            assert!(kills >= enough, "{kills} kills");
        }
    }

    fn is_password(&self, email: &str, password: &str) -> bool {
        let device = Device::new(&self.server.url);
        let output = device.login(email, password);
        assert!([0, 12].contains(&output.code), "{output}");
        output.code == 0
    }

    /// Logs the device in and pulls what it had pushed.
    fn assert_whole(&self, password: &str) {
        self.device.login(EMAIL, password).expect(0);
        let back = self.device.path("back");
        self.device.run(["pull", "work", "./back"]).expect(0);
        Tree::read(&back).assert_same(&self.tree);
        fs::remove_dir_all(back).expect("removes");
    }
}

#[test]
fn of_a_reset_with_the_phrase() {
    let scene = Scene::new();
    let phrase = scene.device.path("phrase");
    fs::write(phrase, &scene.phrase).expect("writes");
    let command = |scene: &Scene| scene.reset_command(&["--phrase-file", "phrase"]);
    scene.kill(0, command, |scene, done| {
        let reset = scene.is_password(EMAIL, NEW);
        assert_ne!(reset, scene.is_password(EMAIL, PASSWORD), "the old one or the new one");
        assert!(reset || !done, "it said that it was done");
        if !reset {
            command(scene).run().expect(0);
        }
        scene.assert_whole(NEW);
    });
}

#[test]
fn of_a_reset_without_the_phrase() {
    let scene = Scene::new();
    let more = ["--without-phrase", "--yes", "--recovery-file", "new-phrase"];
    let command = |scene: &Scene| scene.reset_command(&more);
    scene.kill(1, command, |scene, done| {
        let reset = scene.is_password(EMAIL, NEW);
        assert_ne!(reset, scene.is_password(EMAIL, PASSWORD), "the old one or the new one");
        assert!(reset || !done, "it said that it was done");
        if reset {
            // The new phrase was kept before the epoch was real.
            let other = Device::new(&scene.server.url);
            other.login(EMAIL, NEW).expect(0);
            let file = scene.device.path("new-phrase");
            let file = file.to_str().expect("text");
            other.run(["recovery", "check", "--phrase-file", file]).expect(0);
        }
        // Either way the owner's phrase gives everything back.
        let undo = scene.device.command(["recovery", "undo-reset", "--phrase-stdin"]);
        undo.stdin(scene.phrase.clone()).run().expect(0);
        scene.assert_whole(PASSWORD);
    });
}

#[test]
fn of_an_unlocking() {
    let scene = Scene::displaced();
    let command = |scene: &Scene| {
        scene
            .device
            .command(["recovery", "unlock", "--phrase-stdin", "--json"])
            .stdin(scene.phrase.clone())
    };
    scene.kill(2, command, |scene, done| {
        let locked = scene.device.one(["list"])["locked"] == true;
        assert!(!(done && locked), "it said that it was done");
        command(scene).run().expect(0);
        scene.assert_whole(NEW);
    });
}

#[test]
fn of_an_undoing() {
    let scene = Scene::displaced();
    let command = |scene: &Scene| {
        scene.device.command(["recovery", "undo-reset", "--json"]).password(PASSWORD)
    };
    scene.kill(3, command, |scene, done| {
        let undone = scene.is_password(EMAIL, PASSWORD);
        assert_ne!(undone, scene.is_password(EMAIL, NEW), "the old epoch or the new one");
        assert!(undone || !done, "it said that it was done");
        command(scene).run().expect(0);
        scene.assert_whole(PASSWORD);
    });
}

#[test]
fn of_another_phrase() {
    let scene = Scene::new();
    let command = |scene: &Scene| {
        let _ = fs::remove_file(scene.device.path("new-phrase"));
        let rotate = ["recovery", "rotate", "--recovery-file", "new-phrase", "--json"];
        scene.device.command(rotate).password(PASSWORD)
    };
    scene.kill(4, command, |scene, done| {
        scene.device.login(EMAIL, PASSWORD).expect(0);
        let check = |phrase: String| {
            let check = scene.device.command(["recovery", "check", "--phrase-stdin"]);
            check.stdin(phrase).run().code == 0
        };
        let new = fs::read_to_string(scene.device.path("new-phrase")).unwrap_or_default();
        let rotated = check(new);
        assert_ne!(rotated, check(scene.phrase.clone()), "the old one or the new one");
        assert!(rotated || !done, "it said that it was done");
        scene.assert_whole(PASSWORD);
    });
}

#[test]
fn of_another_address() {
    let scene = Scene::new();
    let command = |scene: &Scene| {
        scene.device.command(["account", "email", MOVED, "--json"]).password(PASSWORD)
    };
    scene.kill(0, command, |scene, done| {
        let moved = scene.is_password(MOVED, PASSWORD);
        assert_ne!(moved, scene.is_password(EMAIL, PASSWORD), "the old one or the new one");
        assert!(moved || !done, "it said that it was done");
        // The session stays either way, also on a device that does not know yet.
        scene.device.run(["pull", "work", "./back"]).expect(0);
        if moved {
            let login = scene.device.command(["login", MOVED, "--moved"]).password(PASSWORD);
            login.run().expect(0);
            assert_eq!(scene.device.json(["account", "show"])["email"], MOVED);
        } else {
            scene.assert_whole(PASSWORD);
        }
    });
}
