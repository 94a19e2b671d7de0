//! Disks without room and without inodes, of a server and under a client's HOME: refused with 507
//! or exit 1, everything older intact, and service when there is room again.

use std::fs;
use std::path::Path;
use std::time::Duration;

use keybackup_tests::Server;
use keybackup_tests::disk::SmallDisk;
use keybackup_tests::tree::{noise, put};

use super::Outcome;
use crate::client::Client;
use crate::load::{FLAGS, Load};
use crate::place::{Place, Tally};
use crate::sound;

/// One in three units fills a client's disk, the others a server's.
pub(super) fn unit(place: &mut Place) -> Outcome {
    let options = ["size=64m", "size=64m,nr_inodes=150"][place.rng.below(2)];
    let Some(disk) = SmallDisk::with("full disks", options) else {
        return Outcome::NotRun("no tmpfs can be mounted".to_owned());
    };
    if place.unit % 3 == 1 { of_client(place, &disk) } else { of_server(place, &disk) }
}

fn of_server(place: &mut Place, disk: &SmallDisk) -> Outcome {
    let server = Server::on(&disk.path().join("data"), &FLAGS);
    let mut load = Load::new(&server, 2, &mut place.rng);
    load.steps(5);
    let mut tally = Tally::default();
    for _ in 0..place.rounds(2, 6) {
        let refused = load.refused_for_room();
        let ballast = fill(disk, place);
        load.steps(15);
        tally.done += load.refused_for_room() - refused;
        // What is there can be had while there is no room.
        assert!(load.settles(), "the server can't say what stands");
        drop(fs::remove_dir_all(ballast));
        load.works();
        if place.rng.below(2) == 0 {
            server.kill();
            server.restart();
        }
        load.settle();
    }
    sound::end(&server);
    tally.in_doubt = load.in_doubt();
    tally.into()
}

fn of_client(place: &mut Place, disk: &SmallDisk) -> Outcome {
    let server = Server::on(&place.path("data"), &FLAGS);
    let mut client = Client::new(disk.path(), &place.directory, &server.url, "device@example.org");
    client.pull().run().expect(0);
    let mut tally = Tally::default();
    for round in 0..place.rounds(3, 10) {
        let ballast = fill(disk, place);
        let pull = client.pull().run();
        client.back_is_whole();
        assert!(client.device.path("back").exists(), "the old one is gone: {pull}");
        if round == 1 {
            let data = noise(9 << 20, place.rng.next());
            put(&client.source().join("data"), &data, 0o600, Duration::from_secs(1_600_000_000));
        }
        client.change();
        let push = client.push().run();
        client.pushed(push.code == 0);
        drop(fs::remove_dir_all(ballast));
        for output in [pull, push] {
            assert!([0, 1].contains(&output.code), "{output}");
            tally.done += u64::from(output.code == 1);
        }
        client.settle();
        client.sweep();
    }
    tally.in_doubt = client.in_doubt;
    sound::end(&server);
    tally.into()
}

/// Writes until nothing more fits, but for some KiB; then, as many empty files as there are inodes
/// for. Answers the directory that holds all of it.
fn fill(disk: &SmallDisk, place: &mut Place) -> std::path::PathBuf {
    let ballast = disk.path().join("ballasts");
    fs::create_dir(&ballast).expect("room for a directory");
    if place.rng.below(2) == 0 {
        let spare = 8 + place.rng.below(200);
        let file = disk.fill(spare);
        fs::rename(file, ballast.join("bytes")).expect("one file system");
    } else {
        inodes(&ballast, place.rng.below(4));
    }
    ballast
}

/// Takes the inodes, but for some; where there is no end of them, bytes by the file.
fn inodes(directory: &Path, spare: usize) {
    let mut made = 0;
    while made < 20_000 && fs::write(directory.join(made.to_string()), noise(4_096, 1)).is_ok() {
        made += 1;
    }
    for n in 0..spare.min(made) {
        let _ = fs::remove_file(directory.join(n.to_string()));
    }
}
