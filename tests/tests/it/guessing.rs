//! Guessing online: what a guesser gets out of a real server, however many networks he has, and
//! that the owner gets in meanwhile. The same with more guesses: `tests/GUESSING.md`.

use std::time::Duration;

use keybackup_tests::guess::{ALLOWED_AN_HOUR, Plan, run};

/// Holds rule 25.
#[test]
fn a_guesser_with_many_networks_gets_two_hundred_an_hour_and_the_owner_gets_in() {
    let report = run(Plan { guesses: 2000, networks: 500, seed: 1 });
    assert!(report.answered >= 2000, "{report:?}");
    // No restart forgets what was evaluated, and nothing is evaluated that is not in the books.
    assert_eq!(report.counted, ALLOWED_AN_HOUR, "{report:?}");
    assert!((1..=report.counted).contains(&report.evaluated), "{report:?}");
    assert!(report.taken > 0, "registrations were tried: {report:?}");
    // It is the cookie that lets the owner in: not any device.
    assert_eq!(report.stranger_exit, 13, "{report:?}");
    assert!(report.slower() <= Duration::from_secs(2), "{report:?}");
}
