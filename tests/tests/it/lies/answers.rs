//! The answer of every route to the question of every other.

use keybackup_tests::{Reply, Request};
use serde_json::json;

use super::victim::{Commands, Lie, PULLS, Victim, Which, altered, kept, lie};

const RULES: &[u8] = &[9, 17];

/// Holds rules 9 and 17.
#[test]
fn an_answer_to_another_question_is_none() {
    let victim = Victim::new();
    let [a, b] = victim.ids.clone();
    let targets = [
        "/status".to_owned(),
        "/healthz".to_owned(),
        "/personas".to_owned(),
        "/keyring".to_owned(),
        "/devices".to_owned(),
        format!("/personas/{a}/labels?from=1"),
        format!("/personas/{a}?version=1"),
        format!("/personas/{b}?version=1"),
    ];
    let questions: [(&str, Which, Commands); 4] = [
        ("/personas", Request::is_listing, &[&["list"], &["push", "a"], &["pull", "a", "new"]]),
        ("/keyring", |it| it.path() == "/keyring", &[&["list"], &["push", "a"]]),
        ("/personas/<a>", Request::is_blob, PULLS),
        ("/status", |it| it.path() == "/status", &[&["login", "alice@example.org"]]),
    ];
    let before = kept(&victim.device);
    for (question, asks, commands) in questions {
        for target in &targets {
            let is_own = target == question
                || question == "/personas/<a>" && target.contains(&format!("{a}?"));
            if is_own {
                continue;
            }
            // Bytes of the right length are compared; all else is no answer, nor is the whole to
            // who asks for a part.
            let exits: &'static [i32] = if question == "/personas/<a>"
                && target.contains('?')
                && !target.contains("from")
            {
                &[13, 14]
            } else {
                &[13]
            };
            victim.suffers(&answered(&victim, question, target, asks, exits), commands);
        }
    }
    before.assert_same(&kept(&victim.device));

    // Names of devices are all that is lost by another answer to /devices.
    for target in targets.iter().filter(|target| *target != "/devices") {
        let told = answered(&victim, "/devices", target, |it| it.path() == "/devices", &[0]);
        let listed = victim.told(&told, &["list"]).expect(0).json();
        assert_eq!(listed["personas"][0]["name"], "a", "{told}");
    }
}

fn answered(
    victim: &Victim,
    question: &str,
    target: &str,
    asks: Which,
    exits: &'static [i32],
) -> Lie {
    let answer = victim.ask(target);
    let is_keyring = question == "/keyring";
    // It is asked for once the listing names a newer one.
    let announced = altered(Request::is_listing, |it| it["keyring_version"] = json!(2));
    lie(format!("{target} for {question}"), RULES, exits, move |request, upstream| {
        if asks(request) {
            return Reply::Answer(answer.clone());
        }
        if is_keyring && request.is_listing() {
            return announced(request, upstream);
        }
        Reply::Answer(upstream.ask(request))
    })
}
