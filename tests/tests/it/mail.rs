//! Mail over a real SMTP server that shares no code with ours (aiosmtpd), read by Python's own
//! parser: with TLS and a login, without, and when it is down, slow or refuses.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use keybackup_tests::terminal::Terminal;
use keybackup_tests::{Device, PASSWORD, PATIENCE, Request, Running, Server, not_run};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

const EMAIL: &str = "alice+tag@example.org";

/// A mail server of its own.
struct Smtp {
    directory: TempDir,
    port: u16,
    running: Running,
}

impl Smtp {
    /// `None` where its packages are not installed.
    fn start(security: &str) -> Option<Self> {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests lie in it");
        let python = repository.join(".tools/venv/bin/python");
        if !python.is_file() {
            not_run("mail", "no .tools/venv: ./test.sh installs it");
            return None;
        }
        let directory = tempfile::tempdir().expect("a directory");
        fs::write(directory.path().join("mode"), "take").expect("writes");
        let mut command = Command::new(python);
        command.arg("-B").arg(repository.join("tests/mail/smtp.py"));
        command.arg(directory.path()).arg(security).env_clear();
        let running = Running::spawn(&mut command, b"");
        let port = running.stdout.wait_for(|said| {
            said.strip_prefix("listening on ")?.strip_suffix('\n').map(str::parse)
        });
        let port = port.unwrap_or_else(|| panic!("it ended: {}", running.stderr.text()));
        Some(Self { directory, port: port.expect("a port"), running })
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    fn mode(&self, mode: &str) {
        // At once, as it may be read at any time.
        fs::write(self.path("mode.new"), mode).expect("writes");
        fs::rename(self.path("mode.new"), self.path("mode")).expect("renames");
    }

    /// The settings by which mail goes to it.
    fn flags(&self, security: &str) -> Vec<String> {
        let mut flags: Vec<_> = [
            ["--mail-host", "localhost"],
            ["--mail-port", &self.port.to_string()],
            ["--mail-security", security],
            ["--mail-from", "Bäckups <backup@example.org>"],
            ["--mail-timeout", "3s"],
        ]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect();
        if security != "none" {
            fs::write(self.path("password"), "hunter 2\n").expect("writes");
            let more = [
                ("--mail-user", "backup".to_owned()),
                ("--mail-password-file", self.path("password")),
                ("--mail-ca-file", self.path("ca.pem")),
            ];
            flags.extend(more.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]));
        }
        flags
    }

    /// The mails that it took, when there are so many.
    fn mails(&self, count: usize) -> Vec<Value> {
        let file = |n| PathBuf::from(self.path(&format!("mails/{n}.json")));
        wait_for("mail", || file(count).is_file());
        assert!(!file(count + 1).exists(), "one mail too many");
        (1..=count)
            .map(|n| serde_json::from_slice(&fs::read(file(n)).expect("reads")).expect("JSON"))
            .collect()
    }

    fn stop(self) {
        self.running.signal(Signal::KILL);
        let _ = self.running.wait("smtp.py");
    }
}

fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !there() {
        assert!(began.elapsed() < PATIENCE, "no {what} came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn serve(flags: &[String], more: &[&str]) -> Server {
    let flags: Vec<_> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
    Server::with(&flags)
}

fn ask_for_a_reset(server: &Server, email: &str) {
    let body = serde_json::json!({ "email": email }).to_string();
    let request = Request::new("PUT", "/password/reset").body(body);
    assert_eq!(request.send(server.address()).expect("answers").status, 200);
}

/// No word of whom mail is for, or of what is in it.
fn assert_discreet(server: &Server, mails: &[Value]) {
    let logs = String::from_utf8_lossy(&server.logs()).into_owned();
    let codes = mails.iter().filter_map(|mail| Some(code_in(mail.get("parts")?)?.to_owned()));
    let secrets = codes.flat_map(|code| [code.replace('-', ""), code]);
    for secret in secrets.chain([EMAIL.to_owned(), "example.org".to_owned(), "hunter".to_owned()]) {
        assert!(!logs.contains(&secret), "{secret}: {logs}");
    }
}

fn code_in(parts: &Value) -> Option<&str> {
    let text = parts["text/plain"].as_str()?;
    text.lines().filter_map(|line| line.strip_prefix("    ")).find(|line| line.len() == 11)
}

fn header<'a>(mail: &'a Value, name: &str) -> Vec<&'a str> {
    let headers = mail["headers"].as_array().expect("a list");
    let named = headers.iter().filter(|header| header[0] == name);
    named.map(|header| header[1].as_str().expect("text")).collect()
}

/// Holds rule 32.
#[test]
fn mail_reaches_its_address_over_tls_with_text_and_html() {
    for security in ["starttls", "tls"] {
        let Some(smtp) = Smtp::start(security) else { return };
        let url = "https://backup.example.net/base";
        let more = ["--public-url", url, "--confirm-email", "off"];
        let server = serve(&smtp.flags(security), &more);
        Device::registered(&server.url, EMAIL);
        let body = serde_json::json!({ "email": EMAIL }).to_string();
        // A client of the old service, which names no protocol; and a Host that is not ours.
        let mut stream = TcpStream::connect(server.address()).expect("connects");
        let length = body.len();
        let request = format!(
            "PUT /password/reset HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).expect("sends");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answers");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let mails = smtp.mails(1);
        let mail = &mails[0];
        assert_eq!(mail["tls"], true, "{mail}");
        assert_eq!(mail["auth"], true, "{mail}");
        assert_eq!(mail["to"], serde_json::json!([EMAIL]));
        assert_eq!(mail["from"], "backup@example.org");
        assert_eq!(mail["type"], "multipart/alternative");
        assert_eq!(mail["defects"], serde_json::json!([]));
        let names = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted"];
        for name in names.into_iter().chain(["MIME-Version", "Content-Type"]) {
            assert_eq!(header(mail, name).len(), 1, "{name}: {mail}");
        }
        assert_eq!(mail["headers"].as_array().map(Vec::len), Some(names.len() + 2), "{mail}");
        assert_eq!(header(mail, "From"), ["Bäckups <backup@example.org>"]);
        let code = code_in(&mail["parts"]).expect("a code");
        let link = format!("{url}/password/reset.html?email=alice%2Btag%40example.org&code={code}");
        let text = mail["parts"]["text/plain"].as_str().expect("text");
        assert!(text.lines().any(|line| line == link), "{text}");
        let html = mail["parts"]["text/html"].as_str().expect("HTML");
        assert!(html.contains(&link.replace('&', "&amp;")) && html.contains(code), "{html}");
        assert!(!format!("{text}{html}").contains("evil"), "links come from the public URL");
        assert_discreet(&server, &mails);
        smtp.stop();
    }
}

/// Holds rule 32.
#[test]
fn a_mail_server_that_is_down_refuses_or_stalls_loses_nothing_and_blocks_no_login() {
    let Some(smtp) = Smtp::start("none") else { return };
    smtp.mode("stall");
    let server = serve(&smtp.flags("none"), &["--confirm-email", "off"]);
    let device = Device::registered(&server.url, EMAIL);
    ask_for_a_reset(&server, EMAIL);
    // It is being sent, to a mail server that never answers; meanwhile the owner logs in.
    let other = Device::logged_in(&server.url, EMAIL);
    other.run(["list"]).expect(0);
    let logged =
        |what: &str| wait_for(what, || String::from_utf8_lossy(&server.logs()).contains(what));
    logged("timeout");
    smtp.mode("defer");
    logged("refused: 451");
    // Over a restart, and a kill at that.
    server.kill();
    server.restart();
    smtp.mode("take");
    // The code, and word of the other device.
    let mails = smtp.mails(2);
    assert!(mails.iter().all(|mail| mail["to"] == serde_json::json!([EMAIL])));
    wait_for("empty outbox", || server.sql("SELECT COUNT(*) FROM outbox").trim() == "0");
    // Refused for good: told to the operator, tried again later.
    smtp.mode("refuse");
    let new = device.path("new");
    fs::write(&new, "battery staple horse 99").expect("writes");
    let change = device.command(["password", "change", "--new-password-file", "new", "--no-input"]);
    change.password(keybackup_tests::PASSWORD).run().expect(0);
    logged("refused: 550");
    assert_eq!(server.sql("SELECT COUNT(*) FROM outbox").trim(), "1", "it is kept");
    assert_discreet(&server, &mails);
    smtp.stop();
}

#[test]
fn a_test_mail_tells_what_the_mail_server_said() {
    for security in ["none", "starttls"] {
        let Some(smtp) = Smtp::start(security) else { return };
        let server = Server::start();
        let flags = smtp.flags(security);
        let test = |flags: &[String]| {
            let words = ["mail", "test", EMAIL].map(str::to_owned);
            let words: Vec<_> = words.iter().chain(flags).map(String::as_str).collect();
            server.run(&words)
        };
        assert_eq!(test(&flags).expect(0).stdout, "250 taken as number 1\n");
        smtp.mode("refuse");
        let refused = test(&flags).expect(1);
        assert!(refused.stderr.contains(&format!("550): no mailbox {EMAIL} here")), "{refused}");
        if security == "starttls" {
            smtp.mode("take");
            fs::write(smtp.path("password"), "wrong\n").expect("writes");
            let refused = test(&flags).expect(1);
            assert!(refused.stderr.contains("535"), "{refused}");
            // Without its certificate it is a stranger, and gets neither password nor mail.
            let stranger = test(&flags[..flags.len() - 2]).expect(1);
            assert!(stranger.stderr.to_lowercase().contains("certificate"), "{stranger}");
        }
        assert_eq!(smtp.mails(1).len(), 1);
        smtp.running.signal(Signal::KILL);
        assert!(smtp.running.ends_within(PATIENCE), "it is killed");
        let down = test(&flags).expect(1);
        assert!(down.stderr.contains("refused"), "{down}");
    }
}

/// Registering where the server asks for a mailed code: from a script, in two steps.
#[test]
fn a_script_registers_with_the_mailed_code() {
    let root = tempfile::tempdir().expect("a directory");
    let mail = root.path().join("mail");
    let mail = mail.to_str().expect("UTF-8");
    let server = Server::with(&["--mail-dir", mail, "--mail-from", "backup@example.org"]);
    let device = Device::new(&server.url);
    let register = |more: &[&str]| {
        let words = ["register", EMAIL, "--recovery-file", "phrase.txt", "--no-input"];
        device.command([&words, more].concat()).password(keybackup_tests::PASSWORD).run()
    };
    let asked = register(&[]).expect(4);
    let next = format!("keybackup register {EMAIL} --confirm CODE");
    assert!(asked.stderr.contains(&next), "{asked}");
    assert!(!device.path("phrase.txt").exists(), "there is no phrase yet");
    let read = || {
        let file = fs::read_dir(mail).expect("lists").next()?.expect("is").path();
        Some(fs::read_to_string(file).expect("reads"))
    };
    wait_for("mail", || read().is_some_and(|text| text.contains("--confirm")));
    let text = read().expect("it came");
    let code = text.lines().filter_map(|line| line.strip_prefix("    ")).find(|it| it.len() == 11);
    let code = code.expect("a code").to_owned();
    let wrong = register(&["--confirm", "00000-00000"]).expect(12);
    assert!(wrong.stderr.contains("code"), "{wrong}");
    register(&["--confirm", &code.to_lowercase()]).expect(0);
    device.run(["list"]).expect(0);
}

/// What the mails in a directory say, the oldest first, without the folding of long lines.
fn mails(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut mails: Vec<_> = entries
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|end| end == "eml"))
        .map(|path| (fs::metadata(&path).and_then(|of| of.modified()).expect("a time"), path))
        .collect();
    mails.sort();
    let text = |path: &PathBuf| fs::read_to_string(path).expect("text").replace("=\r\n", "");
    mails.iter().map(|(_, path)| text(path)).collect()
}

/// The newest mail to an address once it says something, and the code in it.
fn mailed(directory: &Path, to: &str, saying: &str) -> (String, String) {
    let end = Instant::now() + PATIENCE;
    loop {
        let to = format!("To: {to}");
        let found = mails(directory)
            .into_iter()
            .rev()
            .find(|mail| mail.lines().any(|line| line == to) && mail.contains(saying));
        if let Some(mail) = found {
            let code = mail.lines().map(str::trim).find(|line| {
                [11, 29].contains(&line.len()) && line.split('-').all(|group| group.len() == 5)
            });
            return (mail.clone(), code.unwrap_or_default().to_owned());
        }
        assert!(Instant::now() < end, "no mail {to:?} says {saying:?}: {:?}", mails(directory));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A person at a terminal types the mailed code; then the account moves, and comes back.
#[test]
fn codes_are_asked_for_where_somebody_can_type_them() {
    const NEW: &str = "alice@example.net";
    let directory = tempfile::tempdir().expect("a directory");
    let mail = directory.path().join("mail");
    let flags = ["--mail-dir", mail.to_str().expect("text"), "--mail-from", "b@example.org"];
    let server = Server::with(&flags);
    let device = Device::new(&server.url);
    let register = ["register", EMAIL, "--recovery-file", "phrase"];
    let mut terminal = Terminal::start(device.command(register).password(PASSWORD));
    terminal.expect("Code: ");
    let (_, code) = mailed(&mail, EMAIL, "Your code to confirm an address");
    terminal.line(&format!(" {} ", code.to_lowercase()));
    terminal.wait("register").expect(0);

    let mut terminal = Terminal::start(device.command(["account", "email", NEW]));
    terminal.expect("Code: ");
    let (_, code) = mailed(&mail, NEW, "Your code to confirm an address");
    terminal.line(&code);
    terminal.expect("Password of ");
    terminal.line(PASSWORD);
    terminal.wait("account email").expect(0);
    // Without a terminal the next command is named.
    let refused = device.command(["account", "email", EMAIL]).password(PASSWORD).run().expect(4);
    assert!(
        refused.stderr.contains("account email alice+tag@example.org --confirm CODE"),
        "{refused}"
    );

    let (_, none) = mailed(&mail, NEW, "is the address of your keybackup account now");
    assert_eq!(none, "");
    let (told, code) = mailed(&mail, EMAIL, "This code undoes it");
    let command = format!("keybackup account undo-email {EMAIL} --code {code}");
    assert!(told.lines().any(|line| line.trim() == command), "{command}: {told}");
    device.run(command.split(' ').skip(1)).expect(0);
    mailed(&mail, EMAIL, "has its former address again");
    mailed(&mail, NEW, "has its former address again");

    // A device that the account does not know is told of; one that it knows is not.
    let news = || mails(&mail).iter().filter(|mail| mail.contains("did not know")).count();
    device.command(["login", EMAIL, "--moved"]).password(PASSWORD).run().expect(0);
    Device::logged_in(&server.url, EMAIL);
    mailed(&mail, EMAIL, "did not know");
    assert_eq!(news(), 1);
    let data = server.data().to_str().expect("text").to_owned();
    server.run(&["account", "delete", EMAIL, "--purge", "--yes", "--data", &data]).expect(0);
    // By another process: the server looks for such now and then.
    server.terminate();
    server.restart();
    mailed(&mail, EMAIL, "by the operator");
}
