//! Who is lied to: a device with two personas, and what has to hold after every lie.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use keybackup::error::Code;
use keybackup_tests::middleman::{Hook, Upstream};
use keybackup_tests::{Device, Middleman, Output, PASSWORD, Reply, Request, Response, Server};
use keybackup_tests::{Tree, tree};
use serde_json::Value;

pub(super) const EMAIL: &str = "alice@example.org";

/// One way to lie.
pub(super) struct Lie {
    /// What it is.
    pub(super) name: String,
    /// The rules that it tries, of `rules.rs`.
    pub(super) rules: &'static [u8],
    /// The exit codes that may answer it; 0 where it must change nothing.
    pub(super) exits: &'static [i32],
    /// How it is told.
    pub(super) hook: Arc<Hook>,
}

/// Puts one together.
pub(super) fn lie(
    name: impl Into<String>,
    rules: &'static [u8],
    exits: &'static [i32],
    hook: impl Fn(&Request, &Upstream) -> Reply + Send + Sync + 'static,
) -> Lie {
    Lie { name: name.into(), rules, exits, hook: Arc::new(hook) }
}

impl Lie {
    /// From now on it is told.
    pub(super) fn tell(&self, middleman: &Middleman) {
        // A test that fails shows what it had told before.
        println!("{self}");
        let hook = Arc::clone(&self.hook);
        middleman.set(move |request, upstream| hook(request, upstream));
    }
}

impl std::fmt::Display for Lie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (rules {:?})", self.name, self.rules)
    }
}

/// Selects requests.
pub(super) type Which = fn(&Request) -> bool;
/// Lines of arguments.
pub(super) type Commands = &'static [&'static [&'static str]];

/// What looks at the account. None of it may change anything while the listing is a lie.
pub(super) const LOOKS: Commands = &[
    &["list"],
    &["push", "a"],
    &["pull", "a", "new"],
    &["pull", "--all", "--force"],
    &["verify", "--all"],
    &["rename", "b", "c"],
    &["remove", "b", "--yes"],
];

/// What reads the bytes of a persona.
pub(super) const PULLS: Commands = &[
    &["pull", "a", "new"],
    &["pull", "a", "--zip", "new.zip"],
    &["verify", "a"],
    &["cat", "a", "persona.json"],
];

/// A device of an account with the personas `a` and `b`, and a change in `a` that waits.
pub(super) struct Victim {
    pub(super) server: Server,
    pub(super) middleman: Middleman,
    pub(super) device: Device,
    /// Ids of `a` and `b`.
    pub(super) ids: [String; 2],
    token: String,
}

impl Victim {
    pub(super) fn new() -> Self {
        let server = Server::start();
        let middleman = Middleman::start(&server.url);
        let device = Device::registered(&middleman.url, EMAIL);
        for name in ["a", "b"] {
            tree::reference(&device.persona(name), name);
        }
        device.run(["push", "--all"]).expect(0);
        let listed = device.json(["list"])["personas"].clone();
        let ids = [0, 1].map(|n| listed[n]["id"].as_str().expect("an id").to_owned());
        let login = device.profiles().join("default/login.json");
        let login: Value =
            serde_json::from_slice(&std::fs::read(login).expect("it is kept")).expect("it is JSON");
        let token = login["session"]["token"].as_str().expect("a token").to_owned();
        let victim = Self { server, middleman, device, ids, token };
        victim.change();
        victim
    }

    /// What the true server answers this device now.
    pub(super) fn ask(&self, target: &str) -> Response {
        let request = Request::new("GET", target).bearer(&self.token);
        request.send(self.server.address()).expect("it is there")
    }

    /// What the true server lists now.
    pub(super) fn listing(&self) -> Value {
        self.ask("/personas").json()
    }

    /// Leaves something in `a` that a push would send.
    pub(super) fn change(&self) {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
        let content = time.as_nanos().to_string();
        // Not within the two seconds that the stat cache distrusts: any time of the past will do.
        let time = time.saturating_sub(Duration::from_hours(1));
        tree::put(&self.device.persona("a").join("note"), content.as_bytes(), 0o600, time);
    }

    /// Pushes what waits, and leaves something new.
    pub(super) fn push(&self) {
        assert_eq!(self.device.one(["push", "a"])["changed"], true);
        self.change();
    }

    /// Tells a lie to every one of `commands`: each ends as documented, nothing has changed, and
    /// nothing was sent that depends on what did not open.
    #[track_caller]
    pub(super) fn suffers(&self, lie: &Lie, commands: &[&[&str]]) {
        let before = kept(&self.device);
        for arguments in commands {
            let output = self.told(lie, arguments);
            for request in self.middleman.take_seen() {
                assert_eq!(request.method, "GET", "{lie}: {} after it", request.target);
            }
            judge(lie, &output);
            before.assert_same(&kept(&self.device));
        }
        self.middleman.honest();
        self.device.run(["verify", "--all"]).expect(0);
    }

    /// One command while a lie is told.
    pub(super) fn told(&self, lie: &Lie, arguments: &[&str]) -> Output {
        self.middleman.take_seen();
        lie.tell(&self.middleman);
        let command = self.device.command(arguments).arg("--json");
        // Elsewhere a password at hand would turn a session that is over into another login.
        if arguments[0] == "login" { command.password(PASSWORD) } else { command }.run()
    }

    /// What this device has seen: keyring, index, and a digest of the whole.
    pub(super) fn marks(&self) -> Value {
        self.middleman.set(|request, upstream| {
            if request.is_listing() {
                return Reply::Answer(Response::error(503, "unavailable"));
            }
            Reply::Answer(upstream.ask(request))
        });
        let marks = self.device.json(["status"])["marks"].clone();
        self.middleman.honest();
        assert!(marks["index_counter"].is_u64(), "{marks}");
        marks
    }
}

/// All that lies in HOME but caches: the last listing, stat caches, what was sent last.
pub(super) fn kept(device: &Device) -> Tree {
    let mut tree = Tree::read(&device.home());
    let caches = ["snapshot", "sent.json", "cache", "spool", "lock"];
    let is_cache = |path: &Path| {
        path.starts_with(".local/share/keybackup")
            && path.iter().any(|part| caches.iter().any(|cache| part == *cache))
    };
    tree.0.retain(|path, _| !is_cache(path));
    assert_eq!(std::fs::read_dir(device.tmp()).expect("listable").count(), 0);
    tree
}

/// Whether a command that was lied to ended as `docs/json.md` says.
#[track_caller]
pub(super) fn judge(lie: &Lie, output: &Output) {
    assert!(lie.exits.contains(&output.code), "{lie}: exit of {:?}: {output}", lie.exits);
    assert!(!output.stdout.contains("\"changed\":true"), "{lie}: {output}");
    assert!(!output.stdout.contains("\"verified\":true"), "{lie}: {output}");
    assert!(!output.stdout.contains("content_base64"), "{lie}: {output}");
    for byte in output.stdout.chars().chain(output.stderr.chars()) {
        assert!(!byte.is_control() || byte == '\n', "{lie}: {byte:?}: {output}");
    }
    assert_eq!(output.stderr.matches("\"error\":{").count(), 1, "{lie}: {output}");
    let error = output.error();
    let code = Code::ALL.iter().find(|code| error["code"] == code.slug());
    let code = code.unwrap_or_else(|| panic!("{lie}: an undocumented slug: {output}"));
    assert_eq!(i32::from(code.exit().code()), output.code, "{lie}: {output}");
    assert!(error["hint"].is_string(), "{lie}: no hint: {output}");
}

/// Alters the JSON of what `which` selects, as the true server would answer it.
pub(super) fn altered(
    which: impl Fn(&Request) -> bool + Send + Sync + 'static,
    alter: impl Fn(&mut Value) + Send + Sync + 'static,
) -> impl Fn(&Request, &Upstream) -> Reply + Send + Sync + 'static {
    instead(which, move |_, response| {
        let mut value = response.json();
        alter(&mut value);
        let body = serde_json::to_vec(&value).expect("JSON");
        Reply::Answer(Response::new(response.status, "application/json", body))
    })
}

/// Answers what `which` selects with what `say` makes of the true answer, in which nothing is
/// left to caches.
pub(super) fn instead(
    which: impl Fn(&Request) -> bool + Send + Sync + 'static,
    say: impl Fn(&Request, Response) -> Reply + Send + Sync + 'static,
) -> impl Fn(&Request, &Upstream) -> Reply + Send + Sync + 'static {
    move |request, upstream| {
        if !which(request) {
            return Reply::Answer(upstream.ask(request));
        }
        let mut request = request.clone();
        request.headers.retain(|(name, _)| name != "if-none-match");
        let mut response = upstream.ask(&request);
        response.headers.retain(|(name, _)| name != "content-length" && name != "etag");
        say(&request, response)
    }
}

/// A selection by method and beginning of the path.
pub(super) fn route(
    method: &'static str,
    path: &'static str,
) -> impl Fn(&Request) -> bool + Send + Sync + Clone + 'static {
    move |request| request.method == method && request.path() == path
}
