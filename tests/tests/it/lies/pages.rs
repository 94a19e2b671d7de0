//! Pages of labels that gap, repeat, go back, never end, or hold something else, told to a device
//! that was away and has to see how what it knew became what is there.

use std::sync::Arc;

use keybackup_tests::{Device, Reply, Request, Response};
use serde_json::{Value, json};

use super::victim::{EMAIL, Lie, Victim, altered, instead, judge, kept, lie};

const RULES: &[u8] = &[13, 15, 17];

/// What a page is made of: the true labels, and the version that was asked for.
struct Page {
    labels: Vec<Value>,
    from: u64,
}

/// A server that holds the newest index back, so that labels alone have to prove what is new, and
/// lies about them.
fn paged(
    name: &str,
    exits: &'static [i32],
    old: &Arc<Value>,
    say: impl Fn(Page) -> Reply + Send + Sync + 'static,
) -> Lie {
    let index = old["index"].clone();
    let listing = altered(Request::is_listing, move |now| {
        now["index"] = index.clone();
    });
    let is_page = |request: &Request| request.path().ends_with("/labels");
    let page = instead(is_page, move |request, response| {
        let from =
            request.target.split("from=").nth(1).expect("a query").parse().expect("a number");
        let labels = response.json()["labels"].as_array().expect("a list").clone();
        say(Page { labels, from })
    });
    lie(name, RULES, exits, move |request, upstream| {
        if request.is_listing() { listing(request, upstream) } else { page(request, upstream) }
    })
}

fn answer(labels: &[Value], more: bool) -> Reply {
    let body = json!({"labels": labels, "more": more}).to_string();
    Reply::Answer(Response::new(200, "application/json", body))
}

/// Every way in which a page can lie; `other` is a label of another persona.
fn pages(old: &Arc<Value>, other: Value) -> Vec<Lie> {
    vec![
        paged("no labels", &[14], old, |_| answer(&[], false)),
        paged("no labels, and more of them", &[14], old, |_| answer(&[], true)),
        paged("a label left out", &[14], old, |mut page| {
            page.labels.remove(1);
            answer(&page.labels, false)
        }),
        paged("the first left out", &[14], old, |mut page| {
            page.labels.remove(0);
            answer(&page.labels, false)
        }),
        paged("only the newest", &[14], old, |page| {
            answer(&page.labels[page.labels.len() - 1..], false)
        }),
        paged("a label twice", &[14], old, |mut page| {
            page.labels.insert(1, page.labels[0].clone());
            answer(&page.labels, false)
        }),
        paged("the wrong order", &[14], old, |mut page| {
            page.labels.swap(0, 1);
            answer(&page.labels, false)
        }),
        paged("backwards", &[14], old, |mut page| {
            page.labels.reverse();
            answer(&page.labels, false)
        }),
        paged("the same page for ever", &[14], old, |mut page| {
            page.labels.truncate(1);
            page.labels[0]["version"] = json!(2);
            answer(&page.labels, true)
        }),
        paged("a page of what was before", &[14], old, |mut page| {
            for label in &mut page.labels {
                label["version"] = json!(1);
            }
            answer(&page.labels, true)
        }),
        paged("numbers beyond all others", &[14], old, |mut page| {
            for label in &mut page.labels {
                label["version"] = json!(u64::MAX);
            }
            answer(&page.labels, true)
        }),
        paged("labels under each other's number", &[14], old, |mut page| {
            let (one, two) = (page.labels[0]["label"].clone(), page.labels[1]["label"].clone());
            (page.labels[0]["label"], page.labels[1]["label"]) = (two, one);
            answer(&page.labels, false)
        }),
        paged("the label of another persona", &[14], old, move |mut page| {
            page.labels[0]["label"] = other["label"].clone();
            answer(&page.labels, false)
        }),
        paged("a label that is damaged", &[14], old, |mut page| {
            super::damage::damage_text(&mut page.labels[1]["label"], |bytes| bytes[70] ^= 1);
            answer(&page.labels, false)
        }),
        paged("a label that is empty", &[14], old, |mut page| {
            page.labels[1]["label"] = "".into();
            answer(&page.labels, false)
        }),
        paged("more labels than a page has", &[13], old, |page| {
            let many: Vec<_> = page.labels.iter().cycle().take(1001).cloned().collect();
            answer(&many, false)
        }),
        paged("a page larger than one may be", &[13], old, |mut page| {
            page.labels[0]["label"] = "A".repeat(3 << 20).into();
            answer(&page.labels, false)
        }),
        paged("a page without end", &[13], old, |_| {
            let head = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"labels\":[".to_vec();
            Reply::Endless(head, vec![b' '; 64 * 1024])
        }),
        paged("no page", &[10], old, |_| Reply::Answer(Response::error(410, "gone"))),
    ]
}

/// Holds rules 13, 15 and 17.
#[test]
fn what_is_between_must_be_shown() {
    let victim = Victim::new();
    let device = Device::logged_in(&victim.middleman.url, EMAIL);
    device.run(["list"]).expect(0);
    let old = Arc::new(victim.listing());
    for _ in 0..4 {
        victim.push();
    }
    let other = victim.ask(&format!("/personas/{}/labels?from=1", victim.ids[1])).json();
    let lies = pages(&old, other["labels"][0].clone());
    let before = kept(&device);
    for told in lies {
        for arguments in [&["list"][..], &["pull", "a", "new"], &["push", "a"]] {
            victim.middleman.take_seen();
            told.tell(&victim.middleman);
            let output = device.command(arguments).arg("--json").run();
            judge(&told, &output);
            let seen = victim.middleman.take_seen();
            assert!(seen.iter().all(|request| request.method == "GET"), "{told}");
            assert!(seen.len() < 20, "{told}: {} requests", seen.len());
            before.assert_same(&kept(&device));
        }
    }

    // Pages of one label each, that say nothing follows, are pages all the same.
    let single = |page: Page| {
        assert!(page.from > 1);
        answer(&page.labels[..1], false)
    };
    let told = paged("small pages", &[0], &old, single);
    told.tell(&victim.middleman);
    assert_eq!(device.json(["list"])["personas"][0]["version"], 5);
    victim.middleman.honest();
    device.run(["verify", "--all"]).expect(0);
}
