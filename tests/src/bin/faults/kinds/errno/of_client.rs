//! System calls of a client that fail, in a push, a pull, a rename, a removal.

use keybackup_tests::device::Invocation;
use keybackup_tests::{Output, Server};

use super::{ERRORS, Outcome};
use crate::client::Client;
use crate::load::FLAGS;
use crate::place::{Place, Tally};
use crate::sound;
use crate::tracer::injected;

const CALLS: [&str; 6] = [
    "write,pwrite64,copy_file_range",
    "fsync,fdatasync,syncfs",
    "rename,renameat,renameat2,linkat",
    "openat,mkdir,mkdirat",
    "ftruncate,fallocate,unlink,unlinkat,fchmod,utimensat,flock",
    "read,pread64,getdents64,statx",
];

/// One client.
pub(super) fn unit(place: &mut Place) -> Outcome {
    let server = Server::on(&place.path("data"), &FLAGS);
    let home = place.make("devices");
    let mut client = Client::new(&home, &place.directory, &server.url, "device@example.org");
    let mut tally = Tally::default();
    for round in 0..place.rounds(12, 60) {
        let (done, failed) = match round % 4 {
            0 | 2 => push(&mut client, place),
            1 => pull(&client, place),
            _ => rename(&client, place),
        };
        tally.done += done;
        tally.in_doubt += u64::from(failed);
    }
    client.settle();
    sound::end(&server);
    tally.into()
}

/// Runs it with failing calls, and answers how many failed.
fn failing(command: Invocation, place: &mut Place) -> (Output, u64) {
    let calls = CALLS[place.rng.below(CALLS.len())].split(',');
    let calls = calls.map(|call| format!("?{call}")).collect::<Vec<_>>().join(",");
    let error = ERRORS[place.rng.below(ERRORS.len())];
    let first = 1 + place.rng.below(20);
    // One call, or all from there on: what fails once may be tried again.
    let more = if place.rng.below(3) == 0 { "+" } else { "" };
    let inject = format!("inject={calls}:error={error}:when={first}{more}");
    let log = place.path("strace.log");
    let log_name = log.display().to_string();
    let trace = format!("trace={calls}");
    let strace = ["strace", "-f", "-qq", "-o", &log_name, "-e", &trace, "-e", &inject];
    let output = command.under(&strace).run();
    // A loader that can't open its libraries ends with 127. The runtime wakes itself up by writing,
    // and panics where that fails.
    let may_panic = calls.contains("write") && output.code == 101;
    assert!(
        may_panic || matches!(output.code, 0..=4 | 10..=14 | 127),
        "{inject}: an exit that is none: {output}"
    );
    let count = injected(&log);
    (output, count)
}

fn push(client: &mut Client, place: &mut Place) -> (u64, bool) {
    client.change();
    let (output, count) = failing(client.push(), place);
    assert!(output.code == 0 || count > 0, "nothing failed, and yet: {output}");
    client.pushed(output.code == 0);
    client.settle();
    (count, output.code != 0)
}

fn pull(client: &Client, place: &mut Place) -> (u64, bool) {
    let back = client.device.path("back");
    let before = back.exists().then(|| client.known(&back)).flatten();
    let (output, count) = failing(client.pull(), place);
    client.back_is_whole();
    let after = back.exists().then(|| client.known(&back)).flatten();
    assert!(before.is_none() || after.is_some(), "the old one is gone: {output}");
    assert!(output.code != 0 || after == Some(client.stands()), "a false success: {output}");
    client.profile_parses();
    client.pull().run().expect(0);
    client.back_is_whole();
    // It still belongs to the directory that it was pushed from.
    client.push().run().expect(0);
    client.sweep();
    (count, output.code != 0)
}

fn rename(client: &Client, place: &mut Place) -> (u64, bool) {
    let command = |from, to| client.device.command(["rename", from, to, "--no-input"]);
    let (output, count) = failing(command("work", "play"), place);
    client.profile_parses();
    let name = client.device.one(["list"])["name"].as_str().expect("a name").to_owned();
    assert!(name == "play" || (output.code != 0 && name == "work"), "{name}: {output}");
    if name == "play" {
        command("play", "work").run().expect(0);
    }
    (count, output.code != 0)
}
