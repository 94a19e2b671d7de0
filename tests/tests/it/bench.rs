//! The benchmark itself: it runs, and every figure that needs nobody else's program comes out.

use std::process::Command;

use keybackup_tests::{Running, program};
use serde_json::Value;

#[test]
fn it_measures() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let json = directory.path().join("figures.json");
    let mut bench = Command::new(program("bench"));
    bench
        .args([
            "--no-build",
            "--sets",
            "S",
            "--rounds",
            "1",
            "--load-s",
            "1",
            "--connections",
            "500",
        ])
        .args(["--without", "restic,borg,tar,cp,nginx", "--dir"])
        .arg(directory.path())
        .arg("--json")
        .arg(&json);
    let output = Running::spawn(&mut bench, b"").wait("bench").expect(0);
    assert!(output.stdout.contains("### S: 20 files, 20 KiB of keys (1 round)"), "{output}");
    let text = std::fs::read(&json).expect("it was written");
    let document: Value = serde_json::from_slice(&text).expect("JSON");
    let runs = document["runs"].as_array().expect("a list");
    let steps: Vec<_> = runs.iter().map(|run| run["step"].as_str().expect("text")).collect();
    assert_eq!(steps, ["register", "push", "again", "login", "argon2id", "pull"]);
    for run in runs {
        for field in ["wall_s", "cpu_s", "peak_kib"] {
            assert!(run[field].as_f64().is_some_and(|it| it > 0.0), "{field}: {run}");
        }
        let server = &run["server"];
        assert_eq!(server.is_null(), run["step"] == "argon2id", "{run}");
        for field in ["cpu_s", "peak_kib"] {
            assert!(server.is_null() || server[field].as_f64() > Some(0.0), "{field}: {run}");
        }
    }
    for load in document["loads"].as_array().expect("a list") {
        assert!(load["count"].as_u64() > Some(0), "{load}");
        assert!(load["server"]["cpu_s"].as_f64() > Some(0.0), "{load}");
    }
    for figure in document["figures"].as_array().expect("a list") {
        let what = figure["what"].as_str().expect("text");
        let needs_others = what.contains("takes") || figure["unit"] == "× nginx";
        let needs_more = ["M, ", "L, ", "while L"].iter().any(|it| what.contains(it));
        // A login is one Argon2id and something else, within what one Argon2id varies.
        let varies = what.starts_with("login");
        let may_miss = needs_others || needs_more || varies;
        assert!(may_miss || figure["measured"].as_f64() > Some(0.0), "{figure}");
    }
}
