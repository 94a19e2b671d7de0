//! What a server says about listings that have not changed: 304 where nothing was asked, 304 for
//! ever, and tags of every shape.

use keybackup_tests::{Reply, Request, Response};

use super::victim::{LOOKS, Lie, Victim, kept, lie};

const RULES: &[u8] = &[13, 14, 17];

fn not_modified() -> Reply {
    Reply::Answer(Response::new(304, "application/json", ""))
}

/// Holds rules 13, 14 and 17.
#[test]
fn what_has_not_changed_is_what_was_seen() {
    let victim = Victim::new();
    let always = lie("nothing ever changes", RULES, &[14], |request, upstream| {
        if request.is_listing() { not_modified() } else { Reply::Answer(upstream.ask(request)) }
    });
    // The listing that it keeps is from before its own push.
    let snapshot = victim.device.profiles().join("default/snapshot");
    let before = std::fs::read(&snapshot).expect("it is kept");
    victim.push();
    std::fs::write(&snapshot, &before).expect("written");
    victim.suffers(&always, &LOOKS[..1]);
    std::fs::write(&snapshot, &before).expect("written");
    assert_eq!(victim.told(&always, &["list"]).expect(14).error()["code"], "rollback");
    // Nobody asked whether it has changed.
    std::fs::remove_file(&snapshot).expect("removed");
    let never = Lie { exits: &[13], ..always };
    victim.suffers(&never, &LOOKS[..1]);
    std::fs::remove_file(&snapshot).expect("removed");
    victim.suffers(&never, &LOOKS[1..2]);

    // Once only: the second look is past every cache.
    victim.middleman.honest();
    victim.push();
    std::fs::write(&snapshot, &before).expect("written");
    let conditional = lie("nothing has changed", RULES, &[0], |request, upstream| {
        if request.is_listing() && request.headers.iter().any(|(name, _)| name == "if-none-match") {
            return not_modified();
        }
        Reply::Answer(upstream.ask(request))
    });
    assert_eq!(victim.told(&conditional, &["list"]).expect(0).json()["personas"][0]["version"], 3);
}

/// Whatever tag a listing has, it is no word about what is in it.
///
/// Holds rules 13 and 17.
#[test]
fn a_tag_is_only_a_tag() {
    let victim = Victim::new();
    let honest = victim.device.json(["list"]);
    let before = kept(&victim.device);
    let long = format!("\"{}\"", "t".repeat(60_000));
    let tags = ["", "\"", "W/\"weak\"", "*", "no quotes", "\"a\", \"b\"", "\u{fc}\u{2028}", &long];
    for tag in tags {
        let value = tag.to_owned();
        let told = lie(format!("the tag {tag:.20}"), RULES, &[0], move |request, upstream| {
            let mut response = upstream.ask(request);
            if request.is_listing() {
                response.headers.retain(|(name, _)| name != "etag");
                response = response.header("etag", &value);
            }
            Reply::Answer(response)
        });
        for _ in 0..2 {
            assert_eq!(victim.told(&told, &["list"]).expect(0).json(), honest, "{told}");
        }
        victim.middleman.honest();
        assert_eq!(victim.device.json(["list"]), honest, "{told}");
    }
    before.assert_same(&kept(&victim.device));

    // Yesterday's listing under today's tag: the tag makes it no truer, now or at the next 304.
    let (old, tag) = (victim.listing().to_string(), "\"forged\"");
    victim.push();
    let told = lie("yesterday under a new tag", RULES, &[14], move |request, upstream| {
        if request.headers.iter().any(|(name, value)| name == "if-none-match" && value == tag) {
            return not_modified();
        }
        if Request::is_listing(request) {
            let body = old.clone();
            return Reply::Answer(Response::new(200, "application/json", body).header("etag", tag));
        }
        Reply::Answer(upstream.ask(request))
    });
    victim.suffers(&told, LOOKS);
    // One tag for two listings: the newer one was kept, and its 304 shows it.
    let told = lie("one tag for all", RULES, &[0], move |request, upstream| {
        if request.headers.iter().any(|(name, value)| name == "if-none-match" && value == tag) {
            return not_modified();
        }
        let mut response = upstream.ask(request);
        response.headers.retain(|(name, _)| name != "etag");
        Reply::Answer(response.header("etag", tag))
    });
    assert_eq!(victim.told(&told, &["list"]).expect(0).json()["personas"][0]["version"], 2);
    victim.middleman.honest();
    victim.push();
    // Its own push it knows; the tag that never changes is seen through at once.
    let listed = victim.told(&told, &["list"]).expect(0).json();
    assert_eq!(listed["personas"][0]["version"], 3, "{listed}");
}
