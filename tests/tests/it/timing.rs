//! Time tells no more than words: known and unknown addresses are answered alike. The same with
//! more pairs: `tests/GUESSING.md`.

use keybackup_tests::timing;

/// One run on a machine that does other things may lie; two that lie alike are believed.
///
/// Holds rules 23 and 24.
#[test]
fn a_login_start_takes_as_long_for_known_and_unknown_addresses() {
    let report = timing::login_start(2000);
    println!("{report:?}");
    if report.worst() >= 10.0 {
        let again = timing::login_start(2000);
        println!("{again:?}");
        assert!(again.worst() < 10.0, "{report:?}, and again {again:?}");
    }
}
