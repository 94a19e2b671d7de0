//! The commands beside `serve`: invitations while a server runs, and `health`.

use super::harness::{Running, START};
use crate::admin::{self, AdminError, InviteCommand};
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
