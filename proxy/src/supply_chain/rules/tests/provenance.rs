//! How the artifact was built.

use serde_json::{Value, json};

use super::support::*;

const BUILDER: &str = "https://github.com/actions/runner/github-hosted";
const BUILD_TYPE: &str = "https://actions.github.io/buildtypes/workflow/v1";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

fn v1() -> Value {
    json!({
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {"workflow": {"ref": "refs/heads/main", "repository": "https://github.com/acme/app", "path": ".github/workflows/release.yml"}},
            "internalParameters": {"github": {"event_name": "push"}},
            "resolvedDependencies": [{"uri": "git+https://github.com/acme/app@refs/heads/main", "digest": {"gitCommit": COMMIT}}]
        },
        "runDetails": {"builder": {"id": BUILDER}, "metadata": {"invocationId": "x", "startedOn": days_ago(2), "finishedOn": days_ago(1)}}
    })
}

fn v0_2() -> Value {
    json!({
        "builder": {"id": BUILDER}, "buildType": BUILD_TYPE,
        "invocation": {"configSource": {"uri": "git+https://github.com/acme/app@refs/heads/main", "digest": {"sha1": COMMIT}}, "parameters": {"mode": "release"}},
        "metadata": {"buildStartedOn": days_ago(2), "buildFinishedOn": days_ago(1)},
        "materials": [{"uri": "git+https://github.com/acme/app@refs/heads/main", "digest": {"sha1": COMMIT}}]
    })
}

fn strict() -> Value {
    json!({
        "builders": [
            {"id": BUILDER, "signers": ["key/a"], "level": 3},
            {"id": "https://ci.example/*", "signers": ["key/b"], "level": 2}
        ],
        "min_level": 2,
        "build_types": ["https://actions.github.io/*"],
        "sources": [{"repository": "https://github.com/acme/app", "refs": ["refs/heads/main", "refs/tags/v*"]}],
        "max_age": "30d"
    })
}

#[track_caller]
fn assert_refused(kind: &str, predicate: Value, code: &str) {
    assert_eq!(why(&rule("provenance", strict()), &[says("a", kind, predicate)]), [code]);
}

#[test]
fn a_build_by_the_right_builder_from_the_right_source_passes_with_its_level() {
    let policy = rule("provenance", strict());
    for (kind, predicate) in [(SLSA_V1, v1()), (SLSA_V0_2, v0_2())] {
        let verdict = verdict(&policy, &[says("a", kind, predicate)]);
        assert!(verdict.passed, "{verdict:?}");
        assert_eq!(verdict.levels, ["SLSA_BUILD_LEVEL_3"]);
    }
    let other = with(v1(), "/runDetails/builder/id", json!("https://ci.example/runner/7"));
    assert_eq!(verdict(&policy, &[says("b", SLSA_V1, other)]).levels, ["SLSA_BUILD_LEVEL_2"]);
}

#[test]
fn the_builder_is_bound_to_its_signer_and_the_level_is_the_policys() {
    // A trusted signer who may speak for another builder only.
    assert_eq!(why(&rule("provenance", strict()), &[says("b", SLSA_V1, v1())]), ["builder"]);
    assert_refused(SLSA_V1, with(v1(), "/runDetails/builder/id", json!("https://ci.example/runner")), "builder");
    assert_refused(SLSA_V1, with(v1(), "/runDetails/builder/id", json!(format!("{BUILDER}/evil"))), "builder");
    let higher = rule("provenance", with(strict(), "/min_level", json!(3)));
    let claimed = with(with(v1(), "/runDetails/builder/id", json!("https://ci.example/r")), "/slsaLevel", json!(3));
    assert_eq!(why(&higher, &[says("b", SLSA_V1, claimed)]), ["level"]);
}

#[test]
fn type_source_and_ref_must_be_right() {
    assert_refused(SLSA_V1, with(v1(), "/buildDefinition/buildType", json!("https://evil.example")), "build_type");
    let workflow = "/buildDefinition/externalParameters/workflow";
    assert_refused(
        SLSA_V1,
        with(v1(), &format!("{workflow}/repository"), json!("https://github.com/evil/app")),
        "source",
    );
    assert_refused(SLSA_V1, with(v1(), &format!("{workflow}/ref"), json!("refs/heads/evil")), "source");
    assert_refused(SLSA_V1, with(v1(), &format!("{workflow}/ref"), json!("refs/pull/1/merge")), "source");
    assert_refused(SLSA_V1, with(v1(), "/buildDefinition/resolvedDependencies", json!([])), "source");
    assert_refused(
        SLSA_V0_2,
        with(v0_2(), "/invocation/configSource/uri", json!("git+https://github.com/evil/app@refs/heads/main")),
        "source",
    );
    assert_refused(
        SLSA_V0_2,
        with(with(v0_2(), "/invocation/configSource/digest", json!({})), "/materials", json!([])),
        "source",
    );
}

#[test]
fn parameters_are_those_that_are_wanted_and_there_are_no_others() {
    let wanted = json!({"/workflow/repository": "any", "/workflow/ref": ["refs/heads/main"], "/workflow/path": [".github/workflows/*.yml"]});
    let policy = rule("provenance", with(strict(), "/parameters", wanted));
    assert!(passes(&policy, &[says("a", SLSA_V1, v1())]));
    let parameters = "/buildDefinition/externalParameters";
    for changed in [
        with(v1(), &format!("{parameters}/workflow/path"), json!("evil.sh")),
        with(v1(), &format!("{parameters}/inputs"), json!({"debug": true})),
        with(v1(), &format!("{parameters}/workflow/flags"), json!([])),
        without(v1(), &format!("{parameters}/workflow/path")),
    ] {
        assert_eq!(why(&policy, &[says("a", SLSA_V1, changed.clone())]), ["parameters"], "{changed}");
    }
    let none = rule("provenance", with(strict(), "/parameters", json!({})));
    assert_eq!(why(&none, &[says("a", SLSA_V0_2, v0_2())]), ["parameters"]);
    assert!(passes(&none, &[says("a", SLSA_V0_2, with(v0_2(), "/invocation/parameters", json!({})))]));
}

#[test]
fn times_are_sane_and_not_long_ago() {
    let metadata = "/runDetails/metadata";
    assert_refused(SLSA_V1, with(v1(), &format!("{metadata}/startedOn"), json!(days_ago(0))), "time");
    assert_refused(
        SLSA_V1,
        with(v1(), metadata, json!({"startedOn": days_ago(0), "finishedOn": days_ago(-1)})),
        "time",
    );
    assert_refused(
        SLSA_V1,
        with(v1(), metadata, json!({"startedOn": days_ago(40), "finishedOn": days_ago(31)})),
        "stale",
    );
    assert_refused(SLSA_V1, with(v1(), metadata, json!({})), "time");
    assert_refused(SLSA_V1, without(v1(), metadata), "time");
    assert_refused(SLSA_V1, with(v1(), &format!("{metadata}/finishedOn"), json!("yesterday")), "malformed");
    let verdict = verdict(&rule("provenance", strict()), &[says("a", SLSA_V1, v1())]);
    assert_eq!(verdict.valid_until, Some(NOW + time::Duration::days(29)));
    let timeless = rule("provenance", without(strict(), "/max_age"));
    assert!(passes(&timeless, &[says("a", SLSA_V1, without(v1(), metadata))]));
}

#[test]
fn what_cannot_be_read_does_not_count_and_takes_nothing_away() {
    let policy = rule("provenance", strict());
    for broken in
        [json!({}), json!(null), without(v1(), "/runDetails/builder/id"), with(v1(), "/buildDefinition", json!([]))]
    {
        assert_eq!(why(&policy, &[says("a", SLSA_V1, broken.clone())]), ["malformed"], "{broken}");
        assert!(passes(&policy, &[says("a", SLSA_V1, broken), says("a", SLSA_V1, v1())]));
    }
}
