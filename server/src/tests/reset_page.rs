//! `GET /password/reset.html`: what comes with the page.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

use super::harness::{Reply, Running};

/// A browser names no protocol.
async fn browse(server: &Running, path: &str) -> Reply {
    let request = format!("GET {path} HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n");
    Reply::parse(server.raw(request.as_bytes()).await.as_bytes())
}

/// What stands between two texts.
fn between<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = page.split_once(from).expect("begins");
    rest.split_once(to).expect("ends").0
}

#[tokio::test]
async fn a_browser_gets_a_page_that_may_do_nothing_but_show_itself() {
    let server = Running::with(|config| config.settings.path_prefix = "/backup".to_owned()).await;
    let path = "/backup/password/reset.html?email=alice%40example.org&code=01234-56789";
    let reply = browse(&server, path).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(reply.header("referrer-policy"), Some("no-referrer"));
    let page = reply.text();
    let policy = reply.header("content-security-policy").expect("has one");
    let (directives, hashes): (Vec<_>, Vec<_>) =
        policy.split("; ").partition(|directive| !directive.contains("sha256"));
    let none = ["default-src", "base-uri", "form-action", "frame-ancestors"];
    assert_eq!(directives, none.map(|name| format!("{name} 'none'")));
    let own = [("style", "style-src"), ("script", "script-src")].map(|(tag, directive)| {
        let text = between(&page, &format!("<{tag}>"), &format!("</{tag}>"));
        format!("{directive} 'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
    });
    assert_eq!(hashes, own);
    for outside in ["http:", "https:", "src=", "href=", "<form", "fetch", "url(", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[tokio::test]
async fn it_has_no_other_method() {
    let server = Running::start().await;
    let reply = server.ask("POST", "/password/reset.html", &[]).await;
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
}
