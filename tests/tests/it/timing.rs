//! Time tells no more than words: known and unknown addresses are answered alike. The same with
//! more pairs: `tests/GUESSING.md`.

use keybackup_tests::timing::{Question, compare, contrast};

const PAIRS: u32 = 2000;
/// |t| from which two kinds of answers are told apart.
const LIMIT: f64 = 10.0;

/// One run on a machine that does other things may lie; two that lie alike are believed.
///
/// Holds rules 23, 24 and 28.
#[test]
fn an_answer_takes_as_long_for_known_and_unknown_addresses() {
    for question in Question::ALL {
        let alike = (0..2).any(|_| {
            let report = compare(question, PAIRS);
            println!("{question:?}: {report:?}");
            report.worst() < LIMIT
        });
        assert!(alike, "{question:?}");
    }
}

/// What these would not see, the test above could not either. A busy machine has three tries.
#[test]
fn one_evaluation_more_is_seen() {
    let seen = (0..3).any(|_| {
        let report = contrast(PAIRS);
        println!("{report:?}");
        report.worst() > LIMIT
    });
    assert!(seen);
}
