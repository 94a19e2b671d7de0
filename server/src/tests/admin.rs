//! The commands beside `serve`: invitations and accounts while a server runs, and `health`.

use super::harness::{Running, START};
use crate::admin::{self, AccountCommand, AdminError, InviteCommand};
use crate::auth::invite;
use crate::health::{self, HealthError};
use crate::store::Store as _;

async fn run(server: &Running, command: InviteCommand) -> Result<String, AdminError> {
    let mut out = Vec::new();
    admin::invite(&server.store, &server.key, command, &mut out).await?;
    Ok(String::from_utf8(out).expect("text"))
}

#[tokio::test]
async fn an_invitation_is_made_listed_used_and_revoked() {
    let server = Running::with(|config| {
        config.settings.registration = keybackup_protocol::api::Registration::Invite;
    })
    .await;
    let expires = "7d".parse().expect("a period");
    let printed = run(&server, InviteCommand::Create { expires, uses: 2 }).await.expect("makes it");
    let code = printed.strip_suffix('\n').expect("one line");
    assert!(invite::normalise(code).is_some(), "{code}");
    server.registration("alice@example.org", "correct horse", Some(code.to_owned())).await;

    let list = run(&server, InviteCommand::List).await.expect("lists");
    let fields: Vec<_> = list.trim_end().split('\t').collect();
    let [number, expires_at, uses] = fields[..] else { panic!("{list:?}") };
    assert!(expires_at.parse::<i64>().expect("a time") > START);
    assert_eq!(uses, "2", "a start spends nothing");
    assert!(!list.contains(code), "a code is shown once");

    let number = number.parse().expect("a number");
    run(&server, InviteCommand::Revoke { number }).await.expect("revokes");
    assert_eq!(run(&server, InviteCommand::List).await.expect("lists"), "");
    let again = run(&server, InviteCommand::Revoke { number }).await;
    assert!(matches!(again, Err(AdminError::NoInvite { .. })));
    assert!(server.store.invites(START).await.expect("lists").is_empty());
}

#[tokio::test]
async fn health_tells_serving_from_anything_else() {
    let mut server =
        Running::with(|config| config.settings.path_prefix = "/backup".to_owned()).await;
    let address = server.address;
    let ask =
        |prefix: &'static str| tokio::task::spawn_blocking(move || health::check(address, prefix));
    assert!(ask("/backup").await.expect("no panic").is_ok());
    let elsewhere = ask("").await.expect("no panic");
    assert!(
        matches!(&elsewhere, Err(HealthError::Unhealthy { status, .. }) if status.contains("404")),
        "{elsewhere:?}"
    );
    server.stop();
    (&mut server.task).await.expect("no panic");
    let gone = ask("/backup").await.expect("no panic");
    assert!(matches!(gone, Err(HealthError::NoAnswer { .. })), "{gone:?}");
}

/// Runs `account` with these arguments.
async fn account(server: &Running, arguments: &[&str]) -> Result<String, AdminError> {
    #[derive(clap::Parser)]
    struct Arguments {
        #[command(subcommand)]
        command: AccountCommand,
    }
    let arguments = [&["account"], arguments].concat();
    let Arguments { command } = clap::Parser::try_parse_from(arguments).expect("parses");
    let mut out = Vec::new();
    admin::account(&server.store, &server.key, command, &mut out).await?;
    Ok(String::from_utf8(out).expect("text"))
}

const EMAIL: &str = "alice@example.org";

#[tokio::test]
async fn accounts_are_listed_and_shown() {
    let server = Running::start().await;
    let alice = server.register(EMAIL, "correct horse").await;
    let list = account(&server, &["list"]).await.expect("lists");
    let fields: Vec<_> = list.trim_end().split('\t').collect();
    let [address, id, created, login, personas, bytes, state] = fields[..] else {
        panic!("{list:?}")
    };
    assert_eq!((address, id), (EMAIL, alice.account.to_string().as_str()));
    let start = START.to_string();
    assert_eq!((created, login, personas, state), (&*start, &*start, "0", "enabled"));
    assert!(bytes.parse::<u64>().expect("a number") > 0);
    for which in [EMAIL, " Alice@EXAMPLE.org ", id] {
        let shown = account(&server, &["show", which]).await.expect("shows");
        assert!(shown.contains(&format!("address\t{EMAIL}\nid\t{id}\n")), "{shown}");
    }
    let sessions = account(&server, &["sessions", EMAIL]).await.expect("lists");
    // By the clock of this machine, the sessions of this server's are over.
    assert_eq!(sessions, "");
    let none = account(&server, &["show", "bob@example.org"]).await;
    assert!(matches!(none, Err(AdminError::NoAccount)));
    let nonsense = account(&server, &["show", "bob"]).await;
    assert!(matches!(nonsense, Err(AdminError::Address(_))));
}

/// Whoever guesses must not learn that there is an account to guess at.
///
/// Holds rule 24.
#[tokio::test]
async fn a_disabled_account_is_as_an_unknown_one() {
    let server = Running::start().await;
    let alice = server.register(EMAIL, "correct horse").await;
    account(&server, &["disable", EMAIL]).await.expect("disables");
    assert!(account(&server, &["list"]).await.expect("lists").ends_with("\tdisabled\n"));
    let headers = alice.authorization();
    let reply = server.ask("GET", "/keyring", &[("Authorization", headers.as_str())]).await;
    assert_eq!(reply.status, 401, "its sessions are over");
    let (disabled, _) = server.login_start(EMAIL, "correct horse").await;
    let (unknown, _) = server.login_start("nobody@example.org", "correct horse").await;
    assert_eq!((disabled.status, unknown.status), (200, 200));
    assert_eq!(disabled.body.len(), unknown.body.len());
    assert_eq!(disabled.headers_but_date(), unknown.headers_but_date());
    assert!(server.login(EMAIL, "correct horse").await.is_none());

    account(&server, &["enable", EMAIL]).await.expect("enables");
    assert!(server.login(EMAIL, "correct horse").await.is_some());
    account(&server, &["disable", EMAIL]).await.expect("disables");
    account(&server, &["disable", EMAIL]).await.expect("is repeatable");
}

#[tokio::test]
async fn sessions_are_ended_by_the_operator() {
    let server = Running::start().await;
    let alice = server.register(EMAIL, "correct horse").await;
    let ended = account(&server, &["sessions", EMAIL, "--revoke"]).await.expect("ends");
    assert_eq!(ended, "1\n");
    let headers = alice.authorization();
    let reply = server.ask("GET", "/keyring", &[("Authorization", headers.as_str())]).await;
    assert_eq!(reply.status, 401);
}
