//! `GET /password/reset.html`: the page that a mailed link leads to. It shows the code and the
//! command that uses it, and sends them nowhere: it has no form, loads nothing, and is allowed to.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY};
use http::{HeaderName, StatusCode};
use keybackup_protocol::Address;
use sha2::{Digest as _, Sha256};

use crate::advice;
use crate::auth::code;
use crate::http::answer::Answer;
use crate::http::html::escape;
use crate::http::percent;
use crate::router::Call;
use crate::store::CodePurpose;

const PAGE: &str = include_str!("../pages/reset.html");
const COMPLETE: &str = include_str!("../pages/reset_body.html");
const INCOMPLETE: &str = include_str!("../pages/reset_incomplete.html");
const STYLE: &str = include_str!("../pages/reset.css");
const SCRIPT: &str = include_str!("../pages/reset.js");

/// What the page may do: its own style and script, by their hashes, and nothing else.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    HeaderValue::try_from(policy).expect("ASCII without controls")
});

/// `GET /password/reset.html?email=&code=`. What the link lacks is said; that is no error.
pub(crate) fn show(call: &Call<'_>) -> Answer {
    let page = render(call.parts.uri.query().unwrap_or(""));
    let mut answer = Answer::empty(StatusCode::OK)
        .with(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))
        .with(CONTENT_SECURITY_POLICY, POLICY.clone())
        .with(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    for (name, value) in [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("permissions-policy", "clipboard-write=(self)"),
        ("x-frame-options", "DENY"),
    ] {
        answer.headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    answer.whole(page.into_bytes())
}

/// The page for a query. What is shown is what was parsed, and never what was sent.
fn render(query: &str) -> String {
    let parameter = |name: &str| {
        let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        // A plus sign is one: addresses have them, and no spaces.
        percent::decode(value?)
    };
    let email = parameter("email").and_then(|text| text.parse::<Address>().ok());
    let code = parameter("code").and_then(|text| code::normalise(CodePurpose::Reset, &text));
    let body = match (email, code) {
        (Some(email), Some(code)) => {
            let code = code::display(&code);
            COMPLETE
                .replace("{{email}}", &escape(email.as_str()))
                .replace("{{command}}", &escape(&advice::reset(email.as_str(), &code)))
                .replace("{{code}}", &escape(&code))
        }
        _ => INCOMPLETE.to_owned(),
    };
    PAGE.replace("{{style}}", STYLE).replace("{{script}}", SCRIPT).replace("{{body}}", &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_the_code_and_the_command() {
        let page = render("email=Alice%2Btag%40Example.org&code=0123456789");
        for part in [
            "<strong>alice+tag@example.org</strong>",
            ">01234-56789</p>",
            ">keybackup password reset alice+tag@example.org --code 01234-56789</code>",
        ] {
            assert!(page.contains(part), "{part}");
        }
        assert!(!page.contains("{{"), "every place is filled");
        assert_eq!(render("code=01234-56789&email=alice+tag@example.org"), page);
    }

    #[test]
    fn a_link_that_lacks_something_is_told_of() {
        let incomplete = render("");
        assert!(incomplete.contains("not complete"));
        for query in [
            "email=alice%40example.org",
            "email=alice%40example.org&code=0123",
            "email=alice&code=0123456789",
            "email=%zz&code=0123456789",
            "email=%ff@example.org&code=0123456789",
            "email=<script>alert(1)</script>&code=<b>",
            "email=alice@example.org&code=%3Cscript%3E",
        ] {
            assert_eq!(render(query), incomplete, "{query}");
        }
    }

    #[test]
    fn what_an_address_may_hold_does_no_harm() {
        let page = render("email=a%26'{{code}}`$!{x}%40example.org&code=0123456789");
        assert!(page.contains("<strong>a&amp;&#39;&#123;&#123;code}}`$!&#123;x}@example.org<"));
        let quoted =
            r"&#39;a&amp;&#39;\&#39;&#39;&#123;&#123;code}}`$!&#123;x}@example.org&#39; --code";
        assert!(page.contains(quoted), "{page}");
    }
}
