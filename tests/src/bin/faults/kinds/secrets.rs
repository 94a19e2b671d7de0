//! Planted secrets, looked for in all that a server keeps, logs and hears and that a client leaves,
//! a run that failed among it; and that neither program leaves a core.

use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use keybackup_tests::search::{Planted, files};
use keybackup_tests::{Device, Recorder, Server, tree};

use super::Outcome;
use crate::place::{Place, Tally};

const EMAIL: &str = "planted.address@example.org";
const NAME: &str = "planted-persona-name";
const FILE: &str = "planted-file-name.json";
const CONTENT: &str = "planted-content-0123456789-of-a-file";
const WRONG: &str = "planted-wrong-password-7";

/// A unit is one device and one server, and five places that are searched.
pub(super) fn unit(place: &mut Place) -> Outcome {
    let server = Server::on(&place.path("data"), &["--log-level", "trace"]);
    let recorder = Recorder::start(&server.url);
    let device = Device::within(&place.make("devices"), &recorder.url);
    let password = format!("planted {} marzipan-Otter", place.rng.next());
    let register = ["register", EMAIL, "--device", "planted-device-name", "--json"];
    let registered = device.command(register).password(&password).run().expect(0).json();
    let phrase = registered["recovery_phrase"].as_str().expect("twelve words").to_owned();
    use_it(place, &server, &device, &password);

    let mut planted = vec![
        Planted::new("the password", password.as_bytes()),
        Planted::new("a wrong password", WRONG.as_bytes()),
        Planted::new("the phrase", phrase.as_bytes()),
        Planted::new("the persona's name", NAME.as_bytes()),
        Planted::new("a file's name", FILE.as_bytes()),
        Planted::new("a content", CONTENT.as_bytes()),
        Planted::new("the device's name", b"planted-device-name"),
    ];
    let login = std::fs::read(device.profiles().join("default/login.json")).expect("there");
    let login: serde_json::Value = serde_json::from_slice(&login).expect("JSON");
    let root = login["session"]["root"].as_str().expect("the root key");
    let root = BASE64_URL_SAFE_NO_PAD.decode(root).expect("base64url");
    planted.push(Planted::new("the root key", &root));
    let token = login["session"]["token"].as_str().expect("a token").to_owned();

    absent(&planted, "what travelled", &recorder.bytes());
    // What travels is not therefore kept or logged, and the search itself works.
    let travels = [
        Planted::new("the token", token.as_bytes()),
        Planted::new("the address", EMAIL.as_bytes()),
    ];
    let wire = recorder.bytes();
    assert!(travels.iter().all(|it| it.find(&wire).is_some()), "the search finds nothing");
    // The profile is the device's, and holds its token and root key; nothing of the persona.
    let of_persona = &planted[..6];
    for (path, _, bytes) in files(&device.profiles()) {
        absent(of_persona, &path.display().to_string(), &bytes.unwrap_or_default());
    }
    planted.extend(travels);
    absent(&planted, "the logs", &server.logs());
    in_data(&planted, server.data());
    server.kill();
    in_data(&planted, server.data());
    cores(place);
    Tally { done: 5, in_doubt: 0 }.into()
}

fn use_it(place: &mut Place, server: &Server, device: &Device, password: &str) {
    let persona = device.persona(NAME);
    let time = Duration::from_secs(1);
    tree::put(&persona.join(FILE), CONTENT.as_bytes(), 0o600, time);
    device.run(["push"]).expect(0);
    let bytes = usize::try_from(place.rounds(500_000, 9 << 20)).expect("few");
    tree::put(&persona.join("large"), &tree::noise(bytes, place.rng.next()), 0o600, time);
    device.run(["push"]).expect(0);
    device.run(["pull", NAME, "./back"]).expect(0);
    let wrong = device.command(["login", EMAIL, "--no-input"]).password(WRONG).run();
    wrong.expect(12);
    device.command(["login", EMAIL, "--no-input"]).password(password).run().expect(0);
    // A push that fails on its way.
    tree::put(&persona.join("more"), CONTENT.as_bytes(), 0o600, time);
    server.kill();
    device.run(["push"]).expect(13);
    server.restart();
    device.run(["push"]).expect(0);
}

fn in_data(planted: &[Planted], data: &Path) {
    for (path, _, bytes) in files(data) {
        absent(planted, "the name of a file", path.as_os_str().as_encoded_bytes());
        absent(planted, &path.display().to_string(), &bytes.unwrap_or_default());
    }
}

fn absent(planted: &[Planted], where_: &str, bytes: &[u8]) {
    let found: Vec<_> = planted.iter().filter_map(|one| one.find(bytes)).collect();
    assert!(found.is_empty(), "in {where_}: {found:?}");
}

/// Neither program leaves a core where a program that allows one does.
fn cores(place: &Place) {
    let directory = place.make("cores");
    let aborted = |program: &Path, arguments: &[&str]| {
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -c unlimited && exec \"$0\" \"$@\""]).arg(program);
        command.args(arguments).current_dir(&directory).env_clear();
        command.env("HOME", &directory).env("KEYBACKUP_PASSWORD", WRONG);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("sh is there");
        // Until it waits for what does not come.
        std::thread::sleep(Duration::from_millis(400));
        let pid = rustix::process::Pid::from_child(&child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::ABORT);
        let status = child.wait().expect("it is ours");
        (status.signal(), status.core_dumped())
    };
    let (_, dumps) = aborted(Path::new("cat"), &[]);
    let data = place.path("other data").display().to_string();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data", &data];
    // Whoever connects is kept waiting.
    let mute = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", mute.local_addr().expect("it is bound"));
    let login = ["login", EMAIL, "--server", &url, "--store", "file"];
    for (name, arguments) in [("keybackup-server", &serve[..]), ("keybackup", &login[..])] {
        let (signal, dumped) = aborted(&keybackup_tests::program(name), arguments);
        assert_eq!(signal, Some(6), "{name} was to be aborted while it ran");
        assert!(!dumped, "{name} left a core");
    }
    if !dumps {
        eprintln!("not shown: this machine dumps no cores of anything");
    }
}
