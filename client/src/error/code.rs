//! The one table of failure slugs and the exit code of each. `docs/json.md` describes them, and
//! a test holds the two together.

/// Exit codes of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Local disk, too large, quota, and what has no code of its own.
    Other = 1,
    /// The command line or configuration is wrong, or a name is ambiguous.
    Usage = 2,
    /// Something was skipped, and is named.
    Partial = 3,
    /// A login, an unlock or more rights are needed.
    Login = 4,
    /// Not found.
    NotFound = 10,
    /// The server is newer, or local data differ.
    Conflict = 11,
    /// Wrong password, code, phrase or PIN.
    WrongSecret = 12,
    /// The network or the server failed.
    Network = 13,
    /// Tampered, rolled back, truncated.
    Integrity = 14,
    /// Ctrl-C or a termination signal.
    Interrupted = 130,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $slug:literal, $exit:ident;)*) => {
        /// What kind of failure it is.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The slug, for programs; never renamed.
            pub const fn slug(self) -> &'static str {
                match self {
                    $(Self::$name => $slug,)*
                }
            }

            /// The exit code that goes with it.
            pub const fn exit(self) -> Exit {
                match self {
                    $(Self::$name => Exit::$exit,)*
                }
            }
        }
    };
}

codes! {
    /// The local disk or system refused something.
    Io = "io", Other;
    /// No space left on this device.
    DiskFull = "disk_full", Other;
    /// Larger than the server or the format takes.
    TooLarge = "too_large", Other;
    /// The account's space, or the server's disk, is used up.
    Quota = "quota", Other;
    /// Another process of the client holds the profile.
    Busy = "busy", Other;
    /// Not enough memory for the password's key derivation.
    Memory = "memory", Other;
    /// A symbolic link, socket or device stopped a push.
    SpecialFile = "special_file", Other;
    /// A file or persona name that could not come back.
    NameRefused = "name_refused", Other;
    /// A zip to import that is damaged, unsafe or beyond the limits.
    BadArchive = "bad_archive", Other;
    /// A password file or command that failed.
    PasswordSource = "password_source", Other;
    /// `--store keyring`, and no keyring answers.
    Keyring = "keyring", Other;
    /// A file of the profile that does not parse.
    ProfileDamaged = "profile_damaged", Other;
    /// `doctor` found something that does not work.
    Doctor = "doctor", Other;
    /// A mistake in this program.
    Internal = "internal", Other;
    /// The command line is wrong.
    Usage = "usage", Usage;
    /// The configuration file or an environment variable is wrong.
    Config = "config", Usage;
    /// A question, and no terminal to ask.
    InputNeeded = "input_needed", Usage;
    /// A name that fits several personas.
    Ambiguous = "ambiguous", Usage;
    /// `http:` to another machine.
    InsecureHttp = "insecure_http", Usage;
    /// The profile belongs to another server or address than the one asked for.
    OtherLogin = "other_login", Usage;
    /// A password that is guessed too easily.
    WeakPassword = "weak_password", Usage;
    /// A confirmation was answered with no.
    Declined = "declined", Usage;
    /// Done but for what is named.
    Partial = "partial", Partial;
    /// No login is stored, or it ended.
    LoginNeeded = "login_needed", Login;
    /// This login may not do that.
    Forbidden = "forbidden", Login;
    /// Registration is closed, or the invitation does not hold.
    RegistrationRefused = "registration_refused", Login;
    /// A code was mailed that the command needs.
    CodeNeeded = "code_needed", Login;
    /// The persona belongs to an older epoch.
    Locked = "locked", Login;
    /// The password was reset without the phrase: this device is in an epoch that was displaced.
    Displaced = "displaced", Login;
    /// Resets without the phrase are barred.
    Barred = "barred", Login;
    /// No such persona, file or account.
    NotFound = "not_found", NotFound;
    /// The server is newer, or local data differ.
    Conflict = "conflict", Conflict;
    /// A name or address is in use.
    Taken = "taken", Conflict;
    /// Wrong e-mail address or password.
    WrongPassword = "wrong_password", WrongSecret;
    /// Not this account's recovery phrase.
    WrongPhrase = "wrong_phrase", WrongSecret;
    /// A mailed or invitation code that does not hold.
    WrongCode = "wrong_code", WrongSecret;
    /// The recovery phrase was not repeated correctly.
    Unconfirmed = "unconfirmed", WrongSecret;
    /// No connection, a broken one, a time-out.
    Network = "network", Network;
    /// The server's certificate is not trusted.
    Tls = "tls", Network;
    /// The server failed or broke the protocol.
    Server = "server", Network;
    /// What answers is no keybackup server.
    NotKeybackup = "not_keybackup", Network;
    /// No protocol version or suite in common.
    Protocol = "protocol", Network;
    /// Too many attempts.
    TooMany = "too_many", Network;
    /// Something sealed does not open.
    Integrity = "integrity", Integrity;
    /// The server shows an older state than this device has seen.
    Rollback = "rollback", Integrity;
    /// Something sealed ends early.
    Truncated = "truncated", Integrity;
    /// Ctrl-C or a termination signal.
    Interrupted = "interrupted", Interrupted;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_lists_every_slug_with_its_exit_code_and_no_other() {
        let page = include_str!("../../../docs/json.md");
        let rows: Vec<_> = page
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
            .filter_map(|(slug, rest)| Some((slug, rest.split_once(" | ")?.0.parse().ok()?)))
            .collect::<Vec<(&str, u8)>>();
        let table: Vec<_> =
            Code::ALL.iter().map(|code| (code.slug(), code.exit().code())).collect();
        assert_eq!(rows, table);
    }
}
