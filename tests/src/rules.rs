//! The rules that this project holds itself to, and which tests hold them: read from the sources,
//! written into `SECURITY.md`. A test says it on a line of its documentation, with one rule or
//! several: `Holds rule 7.`, `Holds rules 4 and 9.`, `Holds rules 1, 4 and 9.`

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The rules, from 1. Each came of a published attack on something like this.
pub const RULES: [&str; 36] = [
    "Costs of key stretching are compiled in; an unknown suite is refused before anything of the password is sent",
    "What a peer may choose (costs, sizes, lengths) has a floor and a ceiling",
    "One suite a version, no legacy path; an unknown version byte is an error",
    "Every byte of every wrapped key counts: a damaged one is refused, and nothing is written or sent",
    "After an opening that failed nothing is sent that depends on it",
    "No key is the server's choice, and the root key is never given away",
    "Missing is not new: an absent slot, keyring, index or label is an error, and no answer erases what a device knows",
    "No field that proves something is optional",
    "Every object is bound to account, persona, type, version and suite: none stands in for another",
    "One derivation label a purpose",
    "Every byte of a header is authenticated",
    "Chunks can't be moved, cut, doubled or added; nothing unauthenticated reaches its destination",
    "Nothing is dropped, replayed or brought back unnoticed; a removal is sealed",
    "An account that went back is noticed by every device that has seen newer",
    "Changes are compare-and-swap, labels chain, and a conflict keeps both sides",
    "Names, times and counts are inside the seal",
    "No lie in the protocol does more than end in a clear error",
    "An archive writes nowhere but where it belongs, or nothing",
    "Bombs: entries, depth and sizes are bounded as they come out",
    "Sizes are padded",
    "Untrusted text does not act on a terminal",
    "Nothing decrypted causes a request or runs a program",
    "A login does not tell known addresses from unknown ones",
    "Nor does anything else that a stranger can ask, in words or in time",
    "Every guess online is counted before it is evaluated, and locks nobody out",
    "A stolen server makes each guess cost the suite's Argon2id, and shows no address",
    "Reset codes: one at a time, 50 bits, minutes, five tries, bound to their purpose",
    "Mail: so many for an address, a network and all",
    "A mailbox gives a login, and nothing that was there before",
    "A changed password ends other sessions, and survives a crash at any step",
    "A PIN opens nothing offline",
    "Mail that fails is seen by the operator, blocks no login, and takes no header from anybody",
    "Tokens are random, stored as hashes, expire, and open what is theirs alone",
    "Files are private, and secrets never in arguments, messages or core dumps",
    "Quotas and retention are the storage layer's",
    "Paths at the server come from what it has parsed",
];

/// Rules of what is not there yet, and what they come with.
pub const LATER: [(usize, &str); 1] = [(31, "PINs")];

/// How many tests of a file hold a rule, by rule and file.
pub type Held = BTreeMap<usize, BTreeMap<String, usize>>;

/// Directories with tests, below the workspace.
const PLACES: [&str; 6] =
    ["client/src", "client/tests", "protocol/src", "server/src", "tests/src", "tests/tests"];
/// How a line of documentation begins that names rules.
const HOLDS: &str = "/// Holds rule";
/// How a table of lies names the rules that it tries.
const TRIES: &str = "const RULES";

/// Reads every source of the workspace at `root`. What is wrong is told with file and line.
pub fn collect(root: &Path) -> Result<Held, Vec<String>> {
    let (mut held, mut wrong) = (Held::new(), Vec::new());
    for path in PLACES.iter().flat_map(|place| sources(&root.join(place))) {
        let name = path.strip_prefix(root).expect("it was found there").display().to_string();
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
        match of_file(&text) {
            Ok(rules) => {
                for rule in rules {
                    *held.entry(rule).or_default().entry(name.clone()).or_default() += 1;
                }
            }
            Err(errors) => wrong.extend(errors.iter().map(|error| format!("{name}:{error}"))),
        }
    }
    if wrong.is_empty() { Ok(held) } else { Err(wrong) }
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let (mut left, mut found) = (vec![directory.to_owned()], Vec::new());
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(
                fs::read_dir(&path).expect("listable").map(|entry| entry.expect("readable").path()),
            );
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The rules that the tests of a file hold, once for each test.
fn of_file(text: &str) -> Result<Vec<usize>, Vec<String>> {
    let (mut held, mut tried, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    for (number, line) in lines.iter().enumerate() {
        let mut fault = |what: &str| wrong.push(format!("{}: {what}: {line}", number + 1));
        let (rules, is_test) = if line.starts_with(HOLDS) {
            (holds(line), is_before_test(&lines[number + 1..]))
        } else if line.starts_with(TRIES) && line.contains("&[u8]") {
            (tries(line), true)
        } else {
            continue;
        };
        match rules {
            None => fault("not of the form that rules have"),
            Some(rules) if rules.iter().any(|rule| !(1..=RULES.len()).contains(rule)) => {
                fault("no such rule");
            }
            Some(_) if !is_test => fault("no test follows"),
            Some(rules) if line.starts_with(HOLDS) => held.extend(rules),
            Some(rules) => tried.extend(rules),
        }
    }
    for rule in tried {
        if !held.contains(&rule) {
            wrong.push(format!(" rule {rule} is tried by a table, and no test says that it holds"));
        }
    }
    if wrong.is_empty() { Ok(held) } else { Err(wrong) }
}

/// The numbers of `Holds rule 7.` or `Holds rules 1, 4 and 9.`; `None` if it is written otherwise.
fn holds(line: &str) -> Option<Vec<usize>> {
    let rest = line.strip_prefix(HOLDS)?.strip_suffix('.')?;
    let Some(several) = rest.strip_prefix("s ") else {
        return Some(vec![rest.strip_prefix(' ')?.parse().ok()?]);
    };
    let (most, last) = several.split_once(" and ")?;
    most.split(", ").chain([last]).map(|number| number.parse().ok()).collect()
}

/// The numbers between the last brackets of a line.
fn tries(line: &str) -> Option<Vec<usize>> {
    let (_, rest) = line.rsplit_once('[')?;
    rest.strip_suffix("];")?.split(", ").map(|number| number.parse().ok()).collect()
}

/// Whether documentation and attributes, one of them a test's, are all that comes before `fn`.
fn is_before_test(lines: &[&str]) -> bool {
    let is_more = |line: &&&str| line.starts_with("///") || line.starts_with("#[");
    lines
        .iter()
        .take_while(is_more)
        .any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
}

/// The table of `SECURITY.md`. A rule that no test holds is an error, unless it is for later.
pub fn table(held: &Held) -> Result<String, Vec<String>> {
    let mut table = "| | rule | tests that hold it |\n|--:|---|---|\n".to_owned();
    let mut wrong = Vec::new();
    for (number, rule) in (1..).zip(RULES) {
        let later = LATER.iter().find(|(later, _)| *later == number);
        let tests = match (held.get(&number), later) {
            (Some(files), None) => files
                .iter()
                .map(|(file, count)| format!("`{file}` {count}"))
                .collect::<Vec<_>>()
                .join(", "),
            (None, Some((_, what))) => format!("comes with {what}"),
            (None, None) => {
                wrong.push(format!("no test holds rule {number}: {rule}"));
                continue;
            }
            (Some(_), Some(_)) => {
                wrong.push(format!("rule {number} is held, and no longer one for later"));
                continue;
            }
        };
        writeln!(table, "| {number} | {rule} | {tests} |").expect("a string takes everything");
    }
    if wrong.is_empty() { Ok(table) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_rule_or_several_before_a_test() {
        let one = "/// What it does.\n///\n/// Holds rule 7.\n#[expect(lint)]\n#[test]\nfn a() {}";
        assert_eq!(of_file(one), Ok(vec![7]));
        let more = "/// Holds rules 1, 4 and 9.\n#[tokio::test(flavor = \"x\")]\nasync fn b() {}";
        assert_eq!(of_file(more), Ok(vec![1, 4, 9]));
        assert_eq!(of_file(&format!("{one}\n{more}\n{one}")), Ok(vec![7, 1, 4, 9, 7]));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let test = "\n#[test]\nfn a() {}";
        for (text, what) in [
            (format!("/// Holds rule 37.{test}"), "1: no such rule"),
            (format!("/// Holds rules 0 and 1.{test}"), "1: no such rule"),
            (format!("/// Holds rule 7{test}"), "1: not of the form"),
            (format!("/// Holds rules 7.{test}"), "1: not of the form"),
            (format!("/// Holds rules 7, 8.{test}"), "1: not of the form"),
            (format!("/// Holds rule seven.{test}"), "1: not of the form"),
            ("/// Holds rule 7.\nfn a() {}\n#[test]\nfn b() {}".to_owned(), "1: no test follows"),
            ("/// Holds rule 7.\n\n#[test]\nfn b() {}".to_owned(), "1: no test follows"),
            (format!("const RULES: &[u8] = &[9];\n/// Holds rule 7.{test}"), " rule 9 is tried"),
        ] {
            let wrong = of_file(&text).expect_err(what);
            assert!(wrong.len() == 1 && wrong[0].starts_with(what), "{wrong:?}");
        }
    }

    #[test]
    fn a_rule_without_a_test_is_one_for_later() {
        let all = |left_out: &[usize]| -> Held {
            let rules = (1..=RULES.len()).filter(|rule| !left_out.contains(rule));
            rules.map(|rule| (rule, BTreeMap::from([("a.rs".to_owned(), 2)]))).collect()
        };
        let later: Vec<_> = LATER.iter().map(|(rule, _)| *rule).collect();
        let whole = table(&all(&later)).expect("it is whole");
        assert!(whole.contains("| `a.rs` 2 |\n| 31 |") && whole.contains("| comes with PINs |"));
        assert!(table(&all(&later[1..])).is_err_and(|it| it[0].contains("no longer")));
        assert!(
            table(&all(&[&later[..], &[3]].concat())).is_err_and(|it| it[0].contains("rule 3:"))
        );
    }
}
