//! The report as a whole.

use std::path::Path;

use serde_json::Value;

use super::*;
use crate::error::Exit;

struct Run {
    result: CommandResult,
    stdout: String,
}

/// Runs the doctor on a device that has only what `config` says.
fn run_with(home: &Path, config: &str, json: bool, probe: Probe<'_>) -> Run {
    let file = home.join("config.toml");
    std::fs::write(&file, config).expect("written");
    std::fs::create_dir_all(home.join("personas/work")).expect("made");
    let path = |name: &str| home.join(name).to_str().expect("text").to_owned();
    let environment = Environment::from_pairs(&[
        ("KEYBACKUP_CONFIG", file.to_str().expect("text")),
        ("KEYBACKUP_DATA_DIR", &path("data")),
        ("KEYBACKUP_PERSONAS_DIR", &path("personas")),
    ]);
    let options = Global { json, ..Global::default() };
    let (ui, captured) = Ui::captured_with(&options, &[]);
    let result = run(&ui, &options, &environment, probe);
    Run { result, stdout: captured.stdout() }
}

/// What was found of each, by name.
fn statuses(stdout: &str) -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(stdout).expect("one document");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let checks = document["checks"].as_array().expect("a list");
    checks.iter().map(|check| (text(&check["name"]), text(&check["status"]))).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "it stands in for what can fail")]
fn answers(_: &Settings, _: &ServerUrl) -> Result<ServerFacts, Failure> {
    Ok(ServerFacts { version: "0.1.0".to_owned(), protocols: vec![1], date: None })
}

fn is_away(_: &Settings, _: &ServerUrl) -> Result<ServerFacts, Failure> {
    Err(Failure::new(Code::Network, "connection refused").hint("is it running?"))
}

#[expect(clippy::unnecessary_wraps, reason = "it stands in for what can fail")]
fn speaks_another_language(_: &Settings, _: &ServerUrl) -> Result<ServerFacts, Failure> {
    Ok(ServerFacts { version: "9.0.0".to_owned(), protocols: vec![7], date: None })
}

const CONFIG: &str = "[profiles.default]\nserver = \"https://keys.example.org\"\n";

#[test]
fn every_check_is_reported_under_its_documented_name() {
    let home = tempfile::tempdir().expect("a directory");
    let run = run_with(home.path(), CONFIG, true, &answers);
    let page = include_str!("../../../../docs/json.md");
    for (name, status) in statuses(&run.stdout) {
        assert!(page.contains(&format!("`{name}`")), "{name} is not documented");
        assert!(page.contains(&format!("`{status}`")), "{status} is not documented");
    }
    let found = statuses(&run.stdout);
    for (name, status) in [
        ("config", "ok"),
        ("data_dir", "ok"),
        ("login", "warning"),
        ("personas_dir", "ok"),
        ("server", "ok"),
    ] {
        assert!(found.contains(&(name.to_owned(), status.to_owned())), "{name}: {found:?}");
    }
}

#[test]
fn a_failed_check_is_exit_1_after_the_whole_report() {
    let home = tempfile::tempdir().expect("a directory");
    for probe in [&is_away as Probe<'_>, &speaks_another_language] {
        let run = run_with(home.path(), CONFIG, true, probe);
        let failure = run.result.expect_err("the server fails");
        assert_eq!((failure.code(), failure.exit()), (Code::Doctor, Exit::Other));
        let found = statuses(&run.stdout);
        assert!(found.contains(&("server".to_owned(), "failed".to_owned())));
        assert_eq!(found.len(), 9);
    }
}

#[test]
fn a_broken_configuration_is_told_and_the_rest_examined() {
    let home = tempfile::tempdir().expect("a directory");
    let run = run_with(home.path(), "servr = 1", true, &answers);
    assert!(run.result.is_err());
    let found = statuses(&run.stdout);
    assert_eq!(found.first(), Some(&("config".to_owned(), "failed".to_owned())));
    assert_eq!(found.len(), 9);
}

#[test]
fn without_a_server_nobody_is_asked() {
    let home = tempfile::tempdir().expect("a directory");
    let never = |_: &Settings, _: &ServerUrl| -> Result<ServerFacts, Failure> {
        unreachable!("there is no server to ask")
    };
    let run = run_with(home.path(), "", true, &never);
    assert!(statuses(&run.stdout).contains(&("server".to_owned(), "skipped".to_owned())));
    let plain = "[profiles.default]\nserver = \"http://192.0.2.1\"\n";
    let run = run_with(home.path(), plain, true, &never);
    assert!(statuses(&run.stdout).contains(&("server".to_owned(), "failed".to_owned())));
}

#[test]
fn text_has_a_line_for_each_and_hints_below() {
    let home = tempfile::tempdir().expect("a directory");
    let run = run_with(home.path(), CONFIG, false, &is_away);
    assert!(run.stdout.contains("failed   server        connection refused\n"), "{}", run.stdout);
    assert!(run.stdout.contains("\n                       is it running?\n"), "{}", run.stdout);
}
