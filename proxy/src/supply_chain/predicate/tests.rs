//! Predicates as their specifications have them, and what is wrong with others.

use super::*;
use proptest::prelude::*;
use serde_json::json;

const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn provenance() -> Value {
    json!({
        "buildDefinition": {
            "buildType": "https://actions.github.io/buildtypes/workflow/v1",
            "externalParameters": {"workflow": {"ref": "refs/heads/main", "repository": "https://github.com/acme/app"}},
            "internalParameters": {"github": {"event_name": "push"}},
            "resolvedDependencies": [{"uri": "git+https://github.com/acme/app@refs/heads/main", "digest": {"gitCommit": "c27d339e"}}],
        },
        "runDetails": {
            "builder": {"id": "https://github.com/actions/runner/github-hosted"},
            "metadata": {"invocationId": "https://github.com/acme/app/actions/runs/1/attempts/1",
                "startedOn": "2026-01-01T10:00:00Z", "finishedOn": "2026-01-01T10:05:00Z"},
        },
    })
}

fn all() -> Vec<(&'static str, Value)> {
    vec![
        (SLSA_PROVENANCE_V1, provenance()),
        (
            SLSA_PROVENANCE_V0_2,
            json!({"builder": {"id": "https://tekton.dev/chains/v2"}, "buildType": "tekton.dev/v1beta1/TaskRun".replace("tekton.dev", "https://tekton.dev"),
                "invocation": {"parameters": {}}, "metadata": {"buildStartedOn": "2026-01-01T10:00:00Z", "buildFinishedOn": "2026-01-01T10:00:00Z"},
                "materials": [{"uri": "pkg:docker/alpine@3", "digest": {"sha256": HEX}}]}),
        ),
        (
            TEST_RESULT_V0_1,
            json!({"result": "PASSED", "configuration": [{"name": ".github/workflows/ci.yml", "digest": {"gitBlob": "a1b2"}}],
                "url": "https://ci.example/1", "passedTests": ["build (3.7)"], "warnedTests": [], "failedTests": []}),
        ),
        (
            VULNERABILITIES_V0_2,
            json!({"scanner": {"uri": "pkg:github/aquasecurity/trivy@0.74.0", "version": "0.74.0",
                    "db": {"uri": "pkg:github/aquasecurity/trivy-db", "version": "2", "lastUpdate": "2026-01-01T00:00:00Z"},
                    "result": [{"id": "CVE-2026-1", "severity": [{"method": "nvd", "score": "9.8"}]}]},
                "metadata": {"scanStartedOn": "2026-01-02T00:00:00Z", "scanFinishedOn": "2026-01-02T00:00:09.5+01:00".replace("+01:00", "Z")}}),
        ),
        (
            COSIGN_VULNERABILITIES_V1,
            json!({"invocation": {"parameters": null}, "scanner": {"uri": "pkg:github/aquasecurity/trivy@0.74.0", "result": {"Results": []}},
                "metadata": {"scanStartedOn": "2026-01-02T00:00:00Z", "scanFinishedOn": "2026-01-02T00:00:09Z"}}),
        ),
        (
            "https://openvex.dev/ns/v0.2.0",
            json!({"@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://acme.example/vex/1", "author": "acme",
                "timestamp": "2026-01-01T00:00:00Z", "version": 1, "statements": [
                    {"vulnerability": {"name": "CVE-2026-1"}, "products": [{"@id": "pkg:oci/app"}], "status": "not_affected",
                        "justification": "vulnerable_code_not_in_execute_path"},
                    {"vulnerability": "CVE-2026-2", "status": "fixed"}]}),
        ),
        (RELEASE_V0_2, json!({"purl": "pkg:npm/%40acme/app@1.2.0", "releaseId": "1234"})),
        (
            DEPLOYMENT_V1,
            json!({"environment": "production", "target": {"uri": "https://k8s.example/clusters/eu-1/namespaces/shop"},
                "deployer": {"id": "https://argocd.example/applications/shop"}, "result": "SUCCEEDED",
                "startedOn": "2026-01-03T00:00:00Z", "finishedOn": "2026-01-03T00:01:00Z",
                "configuration": [{"uri": "git+https://github.com/acme/deploy", "digest": {"gitCommit": "a1"}}],
                "replaces": {"digest": {"sha256": HEX}}, "url": "https://argocd.example/1"}),
        ),
    ]
}

/// The predicate with the value at a JSON pointer changed; none: removed.
fn with(predicate: &Value, pointer: &str, value: Option<Value>) -> Value {
    let mut changed = predicate.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = changed.pointer_mut(parent).unwrap();
    match (parent, value) {
        (Value::Array(list), Some(value)) => list[name.parse::<usize>().unwrap()] = value,
        (parent, Some(value)) => parent[name] = value,
        (parent, None) => {
            parent.as_object_mut().unwrap().remove(name);
        }
    }
    changed
}

#[test]
fn what_specifications_show_is_taken_and_names_that_are_not_known_are_passed_over() {
    for (kind, predicate) in all() {
        assert_eq!(check(kind, &predicate), Ok(()), "{kind}");
        assert_eq!(check(kind, &with(&predicate, "/acme", Some(json!([1])))), Ok(()), "{kind}");
    }
    assert_eq!(check("https://acme.example/anything/v1", &json!("a text")), Ok(()));
    assert_eq!(check("https://openvex.dev/nsx", &json!({})), Ok(()));
}

#[test]
fn what_is_wrong_is_named_by_its_place() {
    let cases: [(&str, &str, Option<Value>, &str); 26] = [
        (SLSA_PROVENANCE_V1, "/buildDefinition", None, ""),
        (SLSA_PROVENANCE_V1, "/buildDefinition/buildType", Some(json!("no uri")), "buildDefinition.buildType"),
        (
            SLSA_PROVENANCE_V1,
            "/buildDefinition/externalParameters",
            Some(json!({})),
            "buildDefinition.externalParameters",
        ),
        (SLSA_PROVENANCE_V1, "/runDetails/builder/id", None, "runDetails.builder"),
        (SLSA_PROVENANCE_V1, "/runDetails/builder/id", Some(json!(7)), "runDetails.builder.id"),
        (SLSA_PROVENANCE_V1, "/runDetails/metadata/startedOn", Some(json!("today")), "runDetails.metadata.startedOn"),
        (
            SLSA_PROVENANCE_V1,
            "/runDetails/metadata/finishedOn",
            Some(json!("2025-01-01T00:00:00Z")),
            "runDetails.metadata.finishedOn",
        ),
        (
            SLSA_PROVENANCE_V1,
            "/buildDefinition/resolvedDependencies/0",
            Some(json!({})),
            "buildDefinition.resolvedDependencies[0]",
        ),
        (SLSA_PROVENANCE_V0_2, "/builder", None, ""),
        (SLSA_PROVENANCE_V0_2, "/materials/0/uri", Some(json!("x")), "materials[0].uri"),
        (TEST_RESULT_V0_1, "/result", Some(json!("passed")), "result"),
        (TEST_RESULT_V0_1, "/configuration", Some(json!([])), "configuration"),
        (TEST_RESULT_V0_1, "/failedTests", Some(json!(["one"])), "result"),
        (VULNERABILITIES_V0_2, "/scanner/db/lastUpdate", None, "scanner.db"),
        (VULNERABILITIES_V0_2, "/scanner/result/0/id", Some(json!(" ")), "scanner.result[0].id"),
        (
            VULNERABILITIES_V0_2,
            "/metadata/scanFinishedOn",
            Some(json!("2025-01-01T00:00:00Z")),
            "metadata.scanFinishedOn",
        ),
        (COSIGN_VULNERABILITIES_V1, "/scanner/result", None, "scanner"),
        ("https://openvex.dev/ns/v0.2.0", "/@context", Some(json!("https://acme.example")), "@context"),
        ("https://openvex.dev/ns/v0.2.0", "/version", Some(json!(0)), "version"),
        ("https://openvex.dev/ns/v0.2.0", "/statements/0/justification", None, "statements[0].justification"),
        (
            "https://openvex.dev/ns/v0.2.0",
            "/statements/1/status",
            Some(json!("affected")),
            "statements[1].action_statement",
        ),
        (RELEASE_V0_2, "/purl", Some(json!("npm/app")), "purl"),
        (DEPLOYMENT_V1, "/environment", Some(json!("")), "environment"),
        (DEPLOYMENT_V1, "/result", Some(json!("DONE")), "result"),
        (DEPLOYMENT_V1, "/finishedOn", None, ""),
        (DEPLOYMENT_V1, "/replaces/digest/sha256", Some(json!("AB")), "replaces.digest.sha256"),
    ];
    for (kind, pointer, value, place) in cases {
        let predicate = all().into_iter().find(|(known, _)| *known == kind).unwrap().1;
        let found = check(kind, &with(&predicate, pointer, value)).unwrap_err();
        assert_eq!(found.place, place, "{kind} {pointer}: {found}");
    }
}

#[test]
fn a_predicate_that_is_no_object_is_refused() {
    for (kind, _) in all() {
        for value in [json!(null), json!([]), json!("text"), json!(7)] {
            assert!(check(kind, &value).is_err(), "{kind} {value}");
        }
    }
}

proptest! {
    #[test]
    fn nothing_that_is_sent_breaks_the_check(at in 0..8_usize, text in ".*", number in any::<i64>()) {
        let (kind, predicate) = all().remove(at);
        for name in predicate.as_object().unwrap().keys() {
            let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            let _ = check(kind, &with(&predicate, &pointer, Some(json!(text))));
            let _ = check(kind, &with(&predicate, &pointer, Some(json!([number]))));
        }
    }
}
