//! Answers that would have a device forget what it knows: every refusal that there is, and some
//! that there are not, at every route.

use keybackup_tests::{Reply, Request, Response, Tree};

use super::victim::{Lie, Victim, Which, judge, kept, lie};

const RULES: &[u8] = &[7, 17];

/// Status, slug, and the exit code of the slug.
const REFUSALS: [(u16, &str, &[i32]); 20] = [
    (400, "bad_request", &[13]),
    (400, "protocol_unsupported", &[13]),
    (401, "unauthenticated", &[4]),
    (401, "login_failed", &[13]),
    (403, "forbidden", &[4]),
    (403, "registration_refused", &[13]),
    (404, "not_found", &[13]),
    (405, "method_not_allowed", &[13]),
    (409, "stale", &[11]),
    (409, "taken", &[13]),
    (410, "gone", &[10]),
    (413, "too_large", &[1]),
    (416, "range_not_satisfiable", &[13]),
    (428, "precondition_required", &[13]),
    (429, "too_many", &[13]),
    (500, "internal", &[13]),
    (503, "unavailable", &[13]),
    (507, "quota", &[1]),
    (507, "full", &[1]),
    (418, "account_deleted_forget_everything", &[13]),
];

type Route = (&'static str, Which, &'static [&'static str]);

const ROUTES: [Route; 4] = [
    ("the listing", Request::is_listing, &["list"]),
    ("the listing of a push", Request::is_listing, &["push", "a", "--force"]),
    ("a commit", Request::is_commit, &["push", "a"]),
    ("the bytes", Request::is_blob, &["pull", "a", "new"]),
];

fn refusal(
    place: &str,
    which: Which,
    (status, code, exits): (u16, &'static str, &'static [i32]),
) -> Lie {
    lie(format!("{status} {code} for {place}"), RULES, exits, move |request, upstream| {
        if which(request) {
            return Reply::Answer(Response::error(status, code));
        }
        Reply::Answer(upstream.ask(request))
    })
}

/// What stays, whatever is said: all but the state, which a commit seals anew.
fn stays(victim: &Victim, of_commit: bool) -> Tree {
    let mut tree = kept(&victim.device);
    tree.0.retain(|path, _| !(of_commit && path.ends_with("state.sealed")));
    tree
}

/// Holds rules 7 and 17.
#[test]
fn no_refusal_erases_what_a_device_knows() {
    let victim = Victim::new();
    let marks = victim.marks();
    for (place, which, arguments) in ROUTES {
        for refused in REFUSALS {
            let told = refusal(place, which, refused);
            let of_commit = place == "a commit";
            let before = stays(&victim, of_commit);
            let output = victim.told(&told, arguments);
            judge(&told, &output);
            before.assert_same(&stays(&victim, of_commit));
            assert!(!victim.device.path("new").exists(), "{told}");
        }
        assert_eq!(victim.marks(), marks, "{place}");
        victim.device.run(["verify", "--all"]).expect(0);
    }
}

/// Names of devices are no reason to fail, and a failing device record none to log in without.
///
/// Holds rules 7 and 17.
#[test]
fn what_is_beside_the_account_may_fail() {
    let victim = Victim::new();
    let before = kept(&victim.device);
    for (status, code, _) in REFUSALS {
        victim.middleman.set(move |request, upstream| {
            if request.path() == "/devices" {
                return Reply::Answer(Response::error(status, code));
            }
            Reply::Answer(upstream.ask(request))
        });
        let listed = victim.device.json(["list"]);
        assert!(listed["personas"][0]["device"].is_string(), "{listed}");
        before.assert_same(&kept(&victim.device));
    }
}

/// A slug that contradicts its status is taken for what it says, and erases nothing either.
///
/// Holds rules 7 and 17.
#[test]
fn refusals_that_contradict_themselves() {
    let victim = Victim::new();
    let before = kept(&victim.device);
    for (status, code, exits) in [
        (401, "gone", &[10][..]),
        (410, "unauthenticated", &[4]),
        (404, "unauthenticated", &[4]),
        (500, "gone", &[10]),
        (499, "internal", &[13]),
        (599, "unauthenticated", &[4]),
        (404, "", &[13]),
    ] {
        for arguments in [&["list"][..], &["push", "a", "--force"], &["pull", "a", "new"]] {
            let told = refusal("everything", |_| true, (status, code, exits));
            let output = victim.told(&told, arguments);
            judge(&told, &output);
            before.assert_same(&kept(&victim.device));
        }
    }
    // Refusals without a body that the API knows.
    let bodies = ["", "null", "<h1>Gone</h1>", "{\"error\":\"gone\"}", "{\"error\":{\"code\":1}}"];
    for (status, body) in [401, 403, 404, 410, 500].into_iter().flat_map(|s| bodies.map(|b| (s, b)))
    {
        let told = lie(format!("{status} {body}"), RULES, &[13], move |_, _| {
            Reply::Answer(Response::new(status, "text/html", body))
        });
        victim.middleman.take_seen();
        judge(&told, &victim.told(&told, &["list"]));
        before.assert_same(&kept(&victim.device));
    }
    victim.middleman.honest();
    victim.device.run(["verify", "--all"]).expect(0);
}
