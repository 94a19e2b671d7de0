//! A client killed at system calls of each of its commands: profile and destination are whole,
//! the server has the old or the new, and the same command works.

use std::collections::BTreeMap;

use keybackup_tests::Server;
use keybackup_tests::device::Invocation;

use crate::client::Client;
use crate::kinds::Outcome;
use crate::load::FLAGS;
use crate::place::{Place, Tally};
use crate::sound;

/// Where: calls of one kind are made by one thread mostly, and counted by thread.
const CALLS: [&str; 4] = [
    "fsync,fdatasync,syncfs,rename,renameat,renameat2,linkat",
    "openat,mkdir,mkdirat,unlink,unlinkat,flock,fcntl",
    "write,pwrite64,ftruncate,fchmod,utimensat",
    "writev,sendto,recvfrom",
];

/// One client, killed at calls of a push, a pull, a rename, a removal and a restoration.
pub(super) fn unit(place: &mut Place) -> Outcome {
    let server = Server::on(&place.path("data"), &FLAGS);
    let home = place.make("devices");
    let mut client = Client::new(&home, &place.directory, &server.url, "device@example.org");
    let mut tally = Tally::default();
    for round in 0..place.rounds(20, 60) {
        let calls = CALLS[place.rng.below(CALLS.len())];
        let nth = 1 + place.rng.below(24);
        let killed = match round % 6 {
            0 | 3 => push(&mut client, calls, nth),
            1 | 4 => pull(&client, calls, nth),
            2 => rename(&client, calls, nth),
            _ => remove(&client, calls, nth),
        };
        tally.done += u64::from(killed);
        tally.in_doubt += u64::from(killed);
    }
    client.settle();
    sound::end(&server);
    Outcome::Done(tally, BTreeMap::new())
}

/// Runs it, killed at the `nth` of these calls; false when it made fewer, and then it succeeded.
fn killed_at(command: Invocation, calls: &str, nth: usize) -> bool {
    let calls: Vec<_> = calls.split(',').map(|call| format!("?{call}")).collect();
    let calls = calls.join(",");
    let trace = format!("trace={calls}");
    let inject = format!("inject={calls}:signal=KILL:when={nth}");
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
    let output = command.under(&strace).run();
    assert!(matches!(output.code, 0 | 137), "{output}");
    output.code == 137
}

fn push(client: &mut Client, calls: &str, nth: usize) -> bool {
    client.change();
    let killed = killed_at(client.push(), calls, nth);
    client.pushed(!killed);
    client.settle();
    killed
}

fn pull(client: &Client, calls: &str, nth: usize) -> bool {
    let killed = killed_at(client.pull(), calls, nth);
    client.back_is_whole();
    client.profile_parses();
    client.pull().run().expect(0);
    client.back_is_whole();
    assert!(client.known(&client.device.path("back")).is_some(), "it is there");
    client.sweep();
    killed
}

fn rename(client: &Client, calls: &str, nth: usize) -> bool {
    let command = |from, to| client.device.command(["rename", from, to, "--no-input"]);
    let killed = killed_at(command("work", "play"), calls, nth);
    client.profile_parses();
    let name = client.device.one(["list"])["name"].as_str().expect("a name").to_owned();
    assert!(name == "play" || (killed && name == "work"), "renamed to {name}");
    if name == "play" {
        command("play", "work").run().expect(0);
    }
    killed
}

fn remove(client: &Client, calls: &str, nth: usize) -> bool {
    let remove = client.device.command(["remove", "work", "--yes", "--no-input"]);
    let killed = killed_at(remove, calls, nth);
    client.profile_parses();
    let is_removed = || client.device.one(["list"])["removed"] == true;
    assert!(is_removed() || killed, "it said that it was removed");
    if is_removed() {
        let restore = client.device.command(["restore", "work", "--no-input"]);
        let again = killed_at(restore, calls, nth);
        client.profile_parses();
        if again {
            let output = client.device.run(["restore", "work", "--no-input"]);
            // It was done, and there is nothing left to restore.
            assert!(!is_removed(), "{output}");
        }
    }
    killed
}
