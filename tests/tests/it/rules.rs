//! The table of `SECURITY.md` is what the tests say of themselves. `UPDATE_RULES=1` writes it anew.

use std::path::Path;

use keybackup_tests::rules;

const BEGIN: &str =
    "<!-- rules: written by the test `rules`, UPDATE_RULES=1 writes it anew -->\n\n";
const END: &str = "\n<!-- end of rules -->\n";

#[test]
fn every_rule_is_held_and_security_md_says_by_what() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is in a workspace");
    let held = rules::collect(root).unwrap_or_else(|wrong| panic!("{}", wrong.join("\n")));
    let table = rules::table(&held).unwrap_or_else(|wrong| panic!("{}", wrong.join("\n")));
    let page = root.join("SECURITY.md");
    let text = std::fs::read_to_string(&page).expect("it is there");
    let (before, rest) = text.split_once(BEGIN).expect("the table begins");
    let (written, after) = rest.split_once(END).expect("the table ends");
    if std::env::var_os("UPDATE_RULES").is_some_and(|value| value == "1") {
        std::fs::write(&page, format!("{before}{BEGIN}{table}{END}{after}")).expect("written");
        return;
    }
    assert!(
        written == table,
        "SECURITY.md is behind the tests; UPDATE_RULES=1 cargo nextest run -E 'test(/rules::every/)'"
    );
}
