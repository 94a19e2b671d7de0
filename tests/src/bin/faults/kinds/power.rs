//! Power cuts: the server's data and a device's HOME lie on one file system, which loses what was
//! not synced while everything goes on.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use keybackup_tests::{Server, tree};

use super::Outcome;
use crate::client::Client;
use crate::image::{FileSystem, Image, cuts_lose};
use crate::load::{FLAGS, Load};
use crate::place::{Place, Tally};
use crate::sound;

/// A unit is one file system, and so many cuts of it.
pub(super) fn unit(place: &mut Place) -> Outcome {
    let kind = if place.unit.is_multiple_of(2) { FileSystem::Ext4 } else { FileSystem::Xfs };
    let image = match Image::make(&place.directory, kind) {
        Ok(image) => image,
        Err(error) => return Outcome::NotRun(error),
    };
    if let Err(error) = cuts_lose(&image) {
        panic!("a cut of {kind:?} proves nothing here: {error}");
    }
    let mail = place.make("mail");
    tree::set_mode(&mail, 0o700);
    let mail_flag = mail.display().to_string();
    let mailing = ["--mail-dir", &mail_flag, "--mail-from", "backup@example.org"];
    let flags = [&FLAGS[..], &mailing, &["--confirm-email", "off"]].concat();
    let server = Server::on(&image.path().join("data"), &flags);
    let mut client = Client::new(image.path(), &place.directory, &server.url, "device@example.org");
    let mut load = Load::new(&server, 4, &mut place.rng).with_large_uploads().with_joiner(
        &server,
        Some(mail),
        &mut place.rng,
    );

    let cuts = place.rounds(6, 20);
    for _ in 0..cuts {
        let moment = Duration::from_millis(20 + place.rng.next() % 180);
        let cut = load.cut();
        thread::scope(|scope| {
            scope.spawn(|| client.run(&cut));
            load.run(|| {
                thread::sleep(moment);
                cut.store(true, Ordering::SeqCst);
                image.cut();
                server.kill();
            });
        });
        image.come_back();
        server.restart();
        load.settle();
        client.settle();
    }
    load.works();
    sound::end(&server);
    let in_doubt = load.in_doubt() + client.in_doubt;
    let acknowledged = load.acknowledged() + client.pushes;
    // Without something under way a cut would try nothing.
    assert!(acknowledged > cuts && in_doubt > 0, "{acknowledged} acknowledged, {in_doubt} not");
    let notes =
        [("acknowledged in the last unit", acknowledged), ("resets among them", load.resets())];
    let notes = notes.map(|(what, count)| (what.to_owned(), count.to_string())).into();
    Outcome::Done(Tally { done: cuts, in_doubt }, notes)
}
