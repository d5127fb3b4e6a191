//! Steps in their order.

use serde_json::{Value, json};

use super::support::*;
use crate::digest::Digest;
use crate::supply_chain::rules::Piece;

fn thing(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

fn materials(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"name": name, "digest": {"sha256": thing(name).hex()}})).collect()
}

/// A link: a step that has made things of things.
fn link(signer: &str, step: &str, from: &[&str], made: &[&str]) -> Piece<'static> {
    let products: Vec<_> = made.iter().map(|name| (*name, thing(name))).collect();
    says_of(signer, &products, LINK, &json!({"name": step, "command": [], "materials": materials(from)}))
}

/// Clone by a, build by b, and pack by c, whose product is the artifact.
fn three() -> Vec<Piece<'static>> {
    vec![
        link("a", "clone", &[], &["main.rs", "lib.rs"]),
        link("b", "build", &["main.rs", "lib.rs"], &["app"]),
        link("c", "pack", &["app"], &["manifest"]),
    ]
}

fn layout() -> Value {
    json!({"steps": [
        {"name": "clone", "functionaries": ["key/a"]},
        {"name": "build", "functionaries": ["key/b"], "materials": {"from": ["clone"]}},
        {"name": "pack", "functionaries": ["key/c"]}
    ]})
}

#[test]
fn steps_that_hang_together_by_digests_pass() {
    let policy = rule("layout", layout());
    let verdict = verdict(&policy, &three());
    assert!(verdict.passed, "{verdict:?}");
    assert_eq!(verdict.rules[0].evidence.len(), 3);
}

#[test]
fn every_step_must_be_shown_by_those_who_carry_it_out() {
    let policy = rule("layout", layout());
    for missing in 0..3 {
        let mut steps = three();
        steps.remove(missing);
        assert_eq!(why(&policy, &steps), ["step"], "{missing}");
    }
    let mut other = three();
    other[1] = link("a", "build", &["main.rs", "lib.rs"], &["app"]);
    assert_eq!(why(&policy, &other), ["other_signer", "step"]);
    other[1] = link("b", "test", &["main.rs", "lib.rs"], &["app"]);
    assert_eq!(why(&policy, &other), ["step"], "another step");
    other[1] = refused(&three()[1]);
    assert_eq!(why(&policy, &other), ["step"]);
}

#[test]
fn the_last_step_must_have_made_the_artifact() {
    let policy = rule("layout", layout());
    let mut other = three();
    other[2] = link("c", "pack", &["app"], &["another manifest"]);
    assert_eq!(why(&policy, &other), ["step"]);
    let object = rule("layout", json!({"steps": [{"name": "pack", "functionaries": ["key/c"]}]}));
    assert!(passes(&object, &[link("c", "pack", &["app"], &["object"])]), "its bytes are it too");
}

#[test]
fn what_a_step_works_on_comes_from_the_steps_before_it() {
    let policy = rule("layout", layout());
    let mut other = three();
    other[1] = link("b", "build", &["main.rs", "evil.rs"], &["app"]);
    assert_eq!(why(&policy, &other), ["chain"], "something that was not cloned");
    other[1] = link("b", "build", &[], &["app"]);
    assert_eq!(why(&policy, &other), ["chain"], "nothing that was cloned");
    other[1] = link("b", "build", &["main.rs"], &["another app"]);
    assert_eq!(why(&policy, &other), ["chain"], "what is packed was not built");
    let lenient = with(layout(), "/steps/1/materials", json!({"from": ["clone"], "allow": ["evil.*"]}));
    other[1] = link("b", "build", &["main.rs", "evil.rs"], &["app"]);
    assert!(passes(&rule("layout", lenient), &other));
}

#[test]
fn of_several_that_show_a_step_the_one_that_fits_counts() {
    let policy = rule("layout", layout());
    let mut more = three();
    more.insert(0, link("a", "clone", &[], &["old.rs"]));
    more.push(link("b", "build", &["old.rs"], &["old app"]));
    more.push(link("c", "pack", &["old app"], &["manifest"]));
    more.push(link("b", "build", &["evil.rs"], &["app"]));
    assert!(passes(&policy, &more));
    more.reverse();
    assert!(passes(&policy, &more));
}

#[test]
fn parts_of_different_runs_do_not_make_one() {
    // What was tested is another clone than what was built.
    let both = json!({"steps": [
        {"name": "clone", "functionaries": ["key/a"]},
        {"name": "test", "functionaries": ["key/b"], "materials": {"from": ["clone"]}},
        {"name": "build", "functionaries": ["key/b"], "materials": {"from": ["clone"]}},
        {"name": "pack", "functionaries": ["key/c"], "materials": {"from": ["test", "build"]}}
    ]});
    let policy = rule("layout", both);
    let run = |tested: &str| {
        vec![
            link("a", "clone", &[], &["main.rs"]),
            link("a", "clone", &[], &["old.rs"]),
            link("b", "test", &[tested], &["report"]),
            link("b", "build", &["main.rs"], &["app"]),
            link("c", "pack", &["app", "report"], &["manifest"]),
        ]
    };
    assert!(passes(&policy, &run("main.rs")));
    assert_eq!(why(&policy, &run("old.rs")), ["chain"]);
}

#[test]
fn several_must_have_come_to_the_same() {
    let two = with(with(layout(), "/steps/1/functionaries", json!(["key/b", "key/d"])), "/steps/1/threshold", json!(2));
    let policy = rule("layout", two);
    let alike = [three(), vec![link("d", "build", &["main.rs", "lib.rs"], &["app"])]].concat();
    assert!(passes(&policy, &alike));
    let reordered = [three(), vec![link("d", "build", &["lib.rs", "main.rs"], &["app"])]].concat();
    assert!(passes(&policy, &reordered), "the order in a link is of no meaning");
    let unlike = [three(), vec![link("d", "build", &["main.rs", "lib.rs"], &["app", "more"])]].concat();
    assert_eq!(why(&policy, &unlike), ["too_few_signers", "step"]);
    assert_eq!(why(&policy, &three()), ["too_few_signers", "step"]);
}

#[test]
fn provenance_shows_a_step_too() {
    let steps = json!({"steps": [
        {"name": "clone", "functionaries": ["key/a"]},
        {"name": "build", "shown_by": "provenance", "builders": ["https://ci.example/*"], "functionaries": ["key/b"]}
    ]});
    let policy = rule("layout", steps);
    let provenance = |builder: &str| {
        let dependencies = json!([{"uri": "file:main.rs", "digest": {"sha256": thing("main.rs").hex()}}]);
        says(
            "b",
            SLSA_V1,
            json!({"buildDefinition": {"buildType": "x", "externalParameters": {}, "resolvedDependencies": dependencies},
            "runDetails": {"builder": {"id": builder}}}),
        )
    };
    let clone = link("a", "clone", &[], &["main.rs"]);
    assert!(passes(&policy, &[clone.clone(), provenance("https://ci.example/7")]));
    assert_eq!(why(&policy, &[clone, provenance("https://evil.example/7")]), ["step"]);
}

#[test]
fn it_is_not_tried_for_ever() {
    let signers: Vec<String> = vec!["key/a".into()];
    let names: Vec<String> = (0..8).map(|at| format!("step{at}")).collect();
    let step = |at: usize| match at {
        0 => json!({"name": names[0], "functionaries": signers}),
        at => {
            json!({"name": names[at], "functionaries": signers, "materials": {"from": [names[at - 1]], "allow": ["*"]}})
        }
    };
    let policy = rule("layout", json!({"steps": (0..8).map(step).collect::<Vec<_>>()}));
    // Each of ten ways through each step fits the next, and the last fits none.
    let mut evidence: Vec<_> = (0..7)
        .flat_map(|at| (0..10).map(move |way| (at, way)))
        .map(|(at, way)| link("a", &format!("step{at}"), &["common"], &["common", &format!("{at} {way}")]))
        .collect();
    evidence.push(link("a", "step7", &["something else"], &["manifest"]));
    let begun = std::time::Instant::now();
    assert_eq!(why(&policy, &evidence), ["chain"]);
    assert!(begun.elapsed() < std::time::Duration::from_secs(20));
}
