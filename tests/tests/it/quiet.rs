//! What is decrypted asks for nothing: no program is started and nobody is called, whatever stands
//! in a persona.

use std::time::Duration;

use keybackup_tests::trace::can_trace;
use keybackup_tests::{Device, Middleman, Server, tree};

/// Holds rule 22.
#[test]
fn nothing_in_a_persona_starts_a_program_or_calls_anybody() {
    if !can_trace("what a persona may start") {
        return;
    }
    let server = Server::start();
    let middleman = Middleman::start(&server.url);
    let device = Device::registered(&middleman.url, "alice@example.org");
    let work = device.persona("work");
    tree::reference(&work, "http://192.0.2.1/nickname $(touch ran) `touch ran`");
    let page = r#"<img src="http://192.0.2.1/a.png"><script src="//192.0.2.1/a.js"></script>"#;
    for (name, content) in [
        ("face.svg", page),
        ("index.html", page),
        ("run.sh", "#!/bin/sh\ntouch ran\n"),
        (".desktop", "[Desktop Entry]\nExec=touch ran\nURL=http://192.0.2.1/\n"),
        ("autorun.inf", "[autorun]\nopen=touch ran\n"),
        (".git/hooks/post-checkout", "#!/bin/sh\ntouch ran\n"),
        (".envrc", "touch ran\n"),
    ] {
        tree::put(&work.join(name), content.as_bytes(), 0o755, Duration::from_secs(1));
    }
    let trace = device.tmp().join("trace");
    let path = trace.display().to_string();
    let wrapper = ["strace", "-f", "-qq", "-o", &path, "-e", "trace=execve,connect,sendto"];
    let address = middleman.url.rsplit(':').next().expect("a port").to_owned();
    for arguments in [
        &["push", "work"][..],
        &["list"],
        &["status"],
        &["files", "work"],
        &["cat", "work", "index.html"],
        &["verify", "work"],
        &["pull", "work", "back"],
        &["diff", "work"],
    ] {
        device.command(arguments).under(&wrapper).run().expect(0);
        let calls = std::fs::read_to_string(&trace).expect("it was written");
        let started = calls.lines().filter(|line| line.contains("execve(")).count();
        assert_eq!(started, 1, "{arguments:?}: {calls}");
        for call in calls.lines().filter(|line| line.contains("sin_port")) {
            assert!(call.contains(&format!("htons({address})")), "{arguments:?}: {call}");
        }
    }
    std::fs::remove_file(&trace).expect("it is there");
    assert!(!device.path("ran").exists() && !work.join("ran").exists());
    assert!(!device.path("back/ran").exists());
}
