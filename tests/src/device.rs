//! A device: a HOME of its own, a clean environment, and the real `keybackup`.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Output, Running};

/// A password that is strong enough, and nowhere in our files by chance.
pub const PASSWORD: &str = "tidal marzipan-Otter 9 lantern";

/// A device.
#[derive(Debug)]
pub struct Device {
    root: TempDir,
    server: String,
}

/// One run of `keybackup` that is being put together.
#[derive(Debug)]
pub struct Invocation {
    command: Command,
    what: String,
    stdin: Vec<u8>,
}

impl Device {
    /// A new device of the server at `url`; nobody is logged in.
    pub fn new(url: &str) -> Self {
        Self::within(&std::env::temp_dir(), url)
    }

    /// The same, whose directories lie below `parent`.
    pub fn within(parent: &Path, url: &str) -> Self {
        let root = tempfile::tempdir_in(parent).expect("a temporary directory");
        for name in ["home", "tmp"] {
            std::fs::create_dir(root.path().join(name)).expect("a new directory");
        }
        Self { root, server: url.to_owned() }
    }

    /// A new device with a new account.
    pub fn registered(url: &str, email: &str) -> Self {
        let device = Self::new(url);
        device
            .command(["register", email, "--device", "first device", "--json"])
            .password(PASSWORD)
            .run()
            .expect(0);
        device
    }

    /// A new device of an account that is there.
    pub fn logged_in(url: &str, email: &str) -> Self {
        let device = Self::new(url);
        device.login(email, PASSWORD).expect(0);
        device
    }

    /// Logs in.
    pub fn login(&self, email: &str, password: &str) -> Output {
        self.command(["login", email, "--device", "second device"]).password(password).run()
    }

    /// Its HOME.
    pub fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    /// Where its temporary files go, which nothing should be left in.
    pub fn tmp(&self) -> PathBuf {
        self.root.path().join("tmp")
    }

    /// Where the client keeps what it must remember.
    pub fn profiles(&self) -> PathBuf {
        self.home().join(".local/share/keybackup/profiles")
    }

    /// A persona in the personas directory.
    pub fn persona(&self, name: &str) -> PathBuf {
        self.home().join(".cryptomessaging/personas").join(name)
    }

    /// A path in HOME.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home().join(name)
    }

    /// A run that is not started yet; HOME is the working directory.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Invocation {
        let arguments: Vec<OsString> =
            arguments.into_iter().map(|a| a.as_ref().to_owned()).collect();
        let shown: Vec<_> = arguments.iter().map(|a| a.to_string_lossy()).collect();
        let what = format!("keybackup {}", shown.join(" "));
        let mut command = Command::new(crate::program("keybackup"));
        command
            .args(&arguments)
            .current_dir(self.home())
            .env_clear()
            .env("HOME", self.home())
            .env("TMPDIR", self.tmp())
            .env("KEYBACKUP_SERVER", &self.server)
            .env("KEYBACKUP_STORE", "file");
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        Invocation { command, what, stdin: Vec::new() }
    }

    /// Runs it.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Output {
        self.command(arguments).run()
    }

    /// Runs it with `--json` and expects success.
    #[track_caller]
    pub fn json<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Value {
        let output = self.command(arguments).arg("--json").run();
        output.expect(0).json()
    }

    /// The same, and the only persona that it tells about.
    #[track_caller]
    pub fn one<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Value {
        let value = self.json(arguments);
        assert_eq!(value["personas"].as_array().map(Vec::len), Some(1), "{value}");
        value["personas"][0].clone()
    }

    /// Names of what lies beside a path and is no business of a user: leftovers of a restore.
    pub fn leftovers(&self, beside: &Path) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(beside.parent().expect("it has a parent")) else {
            return Vec::new();
        };
        let names =
            entries.map(|e| e.expect("readable").file_name().to_string_lossy().into_owned());
        names.filter(|name| name.contains("keybackup") && !name.contains("keybackup-old")).collect()
    }
}

impl Invocation {
    /// One more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.what = format!("{} {}", self.what, argument.as_ref().to_string_lossy());
        self.command.arg(argument);
        self
    }

    /// The password, in the environment.
    #[must_use]
    pub fn password(self, password: &str) -> Self {
        self.env("KEYBACKUP_PASSWORD", password)
    }

    /// An environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Not this environment variable.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// The same run, by another program that starts it, like `strace -o FILE`.
    #[must_use]
    pub fn under(mut self, wrapper: &[&str]) -> Self {
        let mut command = Command::new(wrapper[0]);
        command.args(&wrapper[1..]).arg(self.command.get_program()).args(self.command.get_args());
        command.env_clear();
        for (name, value) in self.command.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        if let Some(directory) = self.command.get_current_dir() {
            command.current_dir(directory);
        }
        self.command = command;
        self
    }

    /// Starts it.
    pub fn start(mut self) -> Running {
        Running::spawn(&mut self.command, &self.stdin)
    }

    /// Runs it to its end.
    pub fn run(mut self) -> Output {
        Running::spawn(&mut self.command, &self.stdin).wait(&self.what)
    }

    /// The same, and measures its memory.
    pub fn measured(mut self) -> Output {
        Running::spawn(&mut self.command, &self.stdin).measured(&self.what)
    }

    /// The command itself, to be started elsewhere.
    pub fn into_command(self) -> Command {
        self.command
    }
}
