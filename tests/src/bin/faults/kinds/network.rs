//! Bad networks: links that are cut, slow or dead under a real client. It ends with success or exit
//! 13 in time, nothing is mixed, and when the network is sound again it gets through.

use std::time::{Duration, Instant};

use keybackup_tests::Server;
use keybackup_tests::device::Invocation;
use keybackup_tests::tree::{noise, put};

use super::Outcome;
use crate::client::Client;
use crate::link::{Badness, Link};
use crate::load::FLAGS;
use crate::place::{Place, Tally};
use crate::sound;

/// What a client is told to wait for.
const TIMEOUT: &str = "2";
/// With all that it tries again, and the pauses between.
const IN_TIME: Duration = Duration::from_secs(90);

/// A unit is one client, and so many bad links.
pub(super) fn unit(place: &mut Place) -> Outcome {
    let server = Server::on(&place.path("data"), &FLAGS);
    let link = Link::to(server.address());
    let home = place.make("devices");
    let mut client = Client::new(&home, &place.directory, &link.url, "device@example.org");
    let mut tally = Tally::default();
    for round in 0..place.rounds(6, 40) {
        // Now and then an upload of some pieces, which goes on where it broke off.
        let bytes = if round % 10 == 5 { 9 << 20 } else { 30_000 };
        let data = noise(bytes, place.rng.next());
        put(&client.source().join("data"), &data, 0o600, Duration::from_secs(1_600_000_000));
        client.change();
        link.set(drawn(place, bytes));
        let code = run(client.push());
        client.pushed(code == 0);
        let again = run(client.pull());
        client.back_is_whole();
        client.profile_parses();
        link.heal();
        client.settle();
        client.sweep();
        tally.done += 1;
        tally.in_doubt += u64::from(code != 0) + u64::from(again != 0);
    }
    sound::end(&server);
    tally.into()
}

/// Runs it; the exit code, which is one of two.
fn run(command: Invocation) -> i32 {
    let began = Instant::now();
    let output = command.env("KEYBACKUP_TIMEOUT", TIMEOUT).run();
    assert!(began.elapsed() < IN_TIME, "{:?}: {output}", began.elapsed());
    assert!([0, 13].contains(&output.code), "{output}");
    output.code
}

fn drawn(place: &mut Place, bytes: usize) -> Badness {
    let rng = &mut place.rng;
    let mut bad = Badness::default();
    match rng.below(8) {
        0..3 => bad.cut_up = Some(1 + rng.below(bytes + 8_000)),
        3..6 => bad.cut_down = Some(1 + rng.below(bytes + 8_000)),
        6 => bad.stall_down = Some(rng.below(8_000)),
        _ => {
            bad.delay = Duration::from_millis(5);
            bad.cut_up = Some(1 + rng.below(bytes));
        }
    }
    bad
}
