//! What holds for every policy and every evidence: the order does not matter, what nobody who is believed has signed counts for nothing, and
//! until it says so a verdict stays. More never makes it worse and less never better, but where the newest counts: there what is older changes
//! nothing.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use super::support::*;
use crate::digest::Digest;
use crate::supply_chain::rules::*;

/// Statements of which each is good for some rule, bad for another, or broken.
fn statements() -> Vec<(&'static str, Value)> {
    let provenance = |builder: &str, days: i64| {
        json!({"buildDefinition": {"buildType": "https://ci.example/type", "externalParameters": {"source": "git+https://git.example/acme/app@refs/heads/main"},
            "resolvedDependencies": [{"uri": "git+https://git.example/acme/app@refs/heads/main", "digest": {"gitCommit": "01234567"}},
                {"name": "source", "digest": {"sha256": Digest::of(b"source").hex()}}]},
            "runDetails": {"builder": {"id": builder}, "metadata": {"finishedOn": days_ago(days)}}})
    };
    let tests = |result: &str| json!({"result": result, "configuration": [{"name": "ci", "digest": {"sha256": "00"}}], "passedTests": ["unit"]});
    let bom = |licence: &str, days: i64| {
        json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "metadata": {"timestamp": days_ago(days)},
            "components": [{"bom-ref": "a", "type": "library", "name": "a", "version": "1", "purl": "pkg:npm/a@1", "licenses": [{"expression": licence}]}]})
    };
    let scan = |severity: &str, days: i64| {
        json!({"scanner": {"uri": "pkg:generic/scanner", "db": {"lastUpdate": days_ago(days)},
            "result": [{"id": "CVE-1", "severity": [{"method": "nvd", "score": severity}]}]}, "metadata": {"scanFinishedOn": days_ago(days)}})
    };
    let vex = |status: &str, days: i64| {
        json!({"timestamp": days_ago(days), "statements": [
            {"vulnerability": {"name": "CVE-1"}, "status": status, "justification": "component_not_present"}]})
    };
    let link = |step: &str, from: &[u8]| json!({"name": step, "materials": [{"name": "m", "digest": {"sha256": Digest::of(from).hex()}}]});
    vec![
        ("https://sigstore.dev/cosign/sign/v1", json!({})),
        (SLSA_V1, provenance("https://ci.example/good", 1)),
        (SLSA_V1, provenance("https://ci.example/good", 20)),
        (SLSA_V1, provenance("https://ci.example/bad", 1)),
        (SLSA_V1, json!({})),
        (TEST_RESULT, tests("PASSED")),
        (TEST_RESULT, tests("FAILED")),
        (CYCLONEDX, bom("MIT", 1)),
        (CYCLONEDX, bom("GPL-2.0-only", 1)),
        (CYCLONEDX, bom("MIT", 40)),
        (CYCLONEDX, json!({})),
        (VULNS, scan("low", 1)),
        (VULNS, scan("critical", 1)),
        (VULNS, scan("low", 9)),
        (OPENVEX, vex("not_affected", 2)),
        (OPENVEX, vex("affected", 1)),
        (LINK, link("pack", b"source")),
        (LINK, link("pack", b"evil")),
        ("https://acme.example/review/v1", json!({"approved": true, "on": days_ago(1)})),
        ("https://acme.example/review/v1", json!({"approved": false, "on": days_ago(1)})),
    ]
}

fn rules() -> Vec<Value> {
    let exceptions = json!([{"id": "CVE-1", "expires_at": days_ago(-4), "reason": "x"}]);
    let licence_exceptions = json!([{"purl": "pkg:npm/a", "expires_at": days_ago(-2), "reason": "x"}]);
    vec![
        json!({"signatures": {"signers": ["key/a"]}}),
        json!({"signatures": {"signers": ["key/a", "key/b", "key/c"], "threshold": 2}}),
        json!({"provenance": {"builders": [{"id": "*/good", "signers": ["key/a"], "level": 3}, {"id": "*", "signers": ["key/b"]}],
            "sources": [{"repository": "https://git.example/acme/app"}], "max_age": "10d"}}),
        json!({"tests": {"signers": ["key/a", "key/b"], "threshold": 2}}),
        json!({"sbom": {"signers": ["key/a", "key/b"], "max_age": "30d", "licences": {"allow": ["MIT"]}}}),
        json!({"sbom": {"signers": ["key/c"], "licences": {"deny": ["GPL-*"], "exceptions": licence_exceptions}}}),
        json!({"vulnerabilities": {"signers": ["key/a"], "max": {"critical": 0}, "max_scan_age": "7d", "max_db_age": "5d"}}),
        json!({"vulnerabilities": {"signers": ["key/a", "key/b"], "max": {"critical": 0}, "max_scan_age": "7d",
            "vex_signers": ["key/b", "key/c"], "max_vex_age": "3d"}}),
        json!({"vulnerabilities": {"signers": ["key/c"], "max": {"critical": 0}, "max_scan_age": "20d", "exceptions": exceptions}}),
        json!({"layout": {"steps": [{"name": "fetch", "functionaries": ["key/a", "key/b"]}, {"name": "pack", "functionaries": ["key/b", "key/c"]}]}}),
        json!({"attestation": {"predicate_types": ["https://acme.example/*"], "signers": ["key/a", "key/b"],
            "fields": {"/approved": [true]}, "time_field": "/on", "max_age": "5d"}}),
    ]
}

/// Each statement by each signer, some good for a while only; a step that made the source; and what nobody stands for.
fn evidence() -> Vec<Piece<'static>> {
    evidence_of(statements())
}

/// The same without what others take back by which the newest counts.
fn undisputed() -> Vec<Piece<'static>> {
    let is_bad = |predicate: &Value| {
        let score = predicate.pointer("/scanner/result/0/severity/0/score");
        predicate["result"] == "FAILED" || score.is_some_and(|score| score == "critical")
    };
    evidence_of(statements().into_iter().filter(|(_, predicate)| !is_bad(predicate)).collect())
}

fn evidence_of(statements: Vec<(&'static str, Value)>) -> Vec<Piece<'static>> {
    let mut all = Vec::new();
    for (at, (kind, predicate)) in statements.into_iter().enumerate() {
        for signer in ["a", "b", "c"] {
            let piece = says(signer, kind, predicate.clone());
            let stands_until = (at % 5 == 0 && signer == "b").then(|| NOW + time::Duration::days(2));
            all.push(Piece { stands_until, ..piece });
        }
    }
    for signer in ["a", "c"] {
        let source = Digest::of(b"source");
        all.push(says_of(signer, &[("source", source)], LINK, &json!({"name": "fetch", "materials": []})));
    }
    all
}

fn any_policy() -> impl Strategy<Value = VerificationPolicy> {
    let all = rules();
    let many = all.len();
    subsequence(all, 1..=many).prop_map(|rules| {
        let name = |(at, mut rule): (usize, Value)| {
            rule["name"] = json!(format!("rule{at}"));
            rule
        };
        policy(Value::Array(rules.into_iter().enumerate().map(name).collect()))
    })
}

fn some_evidence() -> impl Strategy<Value = Vec<Piece<'static>>> {
    let all = evidence();
    let many = all.len();
    // Few, so that rules often lack something, or nearly all, so that they often do not.
    prop_oneof![subsequence(all.clone(), 0..=12), subsequence(all, many - 12..=many)]
}

/// Whether each rule is met.
fn met(verdict: &Verdict) -> Vec<bool> {
    verdict.rules.iter().map(|rule| rule.passed).collect()
}

/// Whether each rule is met but for those by which the newest counts.
fn met_for_good(verdict: &Verdict) -> Vec<bool> {
    let is_for_good = |rule: &&RuleVerdict| !["tests", "vulnerabilities"].contains(&rule.kind);
    verdict.rules.iter().filter(is_for_good).map(|rule| rule.passed).collect()
}

#[test]
fn every_rule_can_be_met_and_can_be_missed() {
    for (at, rule) in rules().into_iter().enumerate() {
        let mut rule = rule;
        rule["name"] = json!("rule");
        let policy = policy(json!([rule]));
        assert!(passes(&policy, &undisputed()), "{at}: {:?}", verdict(&policy, &undisputed()));
        assert!(!passes(&policy, &[]), "{at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn more_evidence_never_makes_it_worse_and_less_never_better(
        policy in any_policy(), fewer in some_evidence(), more in some_evidence(),
    ) {
        let all = [fewer.clone(), more].concat();
        let (before, after) = (verdict(&policy, &fewer), verdict(&policy, &all));
        for (before, after) in met_for_good(&before).into_iter().zip(met_for_good(&after)) {
            prop_assert!(!before || after);
        }
    }

    #[test]
    fn an_older_scan_changes_nothing(bad in any::<bool>(), days in 3_i64..6, by in select(vec!["a", "b"])) {
        let signers = json!(["key/a", "key/b"]);
        let policy = rule("vulnerabilities", json!({"signers": signers, "max": {"critical": 0}, "max_scan_age": "7d"}));
        let scan = |bad: bool, days: i64| {
            let score = if bad { "critical" } else { "low" };
            let result = json!([{"id": "CVE-1", "severity": [{"method": "nvd", "score": score}]}]);
            json!({"scanner": {"uri": "pkg:generic/scanner", "result": result}, "metadata": {"scanFinishedOn": days_ago(days)}})
        };
        let newest = says("a", VULNS, scan(bad, 2));
        let older = says(by, VULNS, scan(!bad, days));
        prop_assert_eq!(passes(&policy, std::slice::from_ref(&newest)), !bad);
        prop_assert_eq!(passes(&policy, &[newest, older]), !bad);
    }

    #[test]
    fn the_order_of_the_evidence_does_not_matter(policy in any_policy(), evidence in some_evidence(), seed in any::<u64>()) {
        let mut shuffled = evidence.clone();
        let many = shuffled.len().max(1);
        for at in 0..shuffled.len() {
            let other = (seed as usize).wrapping_mul(at.wrapping_mul(31) + 7) % many;
            shuffled.swap(at, other);
        }
        prop_assert_eq!(verdict(&policy, &evidence), verdict(&policy, &shuffled));
    }

    #[test]
    fn what_nobody_who_is_believed_has_signed_changes_nothing(
        policy in any_policy(), evidence in some_evidence(), other in some_evidence(),
    ) {
        let forged: Vec<_> = other.iter().map(|piece| Piece { stands_until: None, ..refused(piece) }).collect();
        let document = json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1}).to_string();
        let mut with_forged = [evidence.clone(), forged].concat();
        with_forged.push(attached(document.as_bytes(), "application/vnd.cyclonedx+json"));
        prop_assert_eq!(verdict(&policy, &evidence), verdict(&policy, &with_forged));
    }

    #[test]
    fn a_verdict_stays_until_the_moment_that_it_names(
        policy in any_policy(), evidence in some_evidence(), hours in 0_i64..1000,
    ) {
        let now = verdict(&policy, &evidence);
        let then = NOW + time::Duration::hours(hours);
        if now.valid_until.is_none_or(|until| then < until) {
            let later = verdict_at(&policy, &evidence, then);
            prop_assert_eq!(&now.rules, &later.rules);
            prop_assert_eq!((now.passed, now.valid_until), (later.passed, later.valid_until));
        }
    }

    #[test]
    fn a_policy_passes_where_each_of_its_rules_does(policy in any_policy(), evidence in some_evidence()) {
        let verdict = verdict(&policy, &evidence);
        prop_assert_eq!(verdict.passed, met(&verdict).into_iter().all(|met| met));
        for rule in &verdict.rules {
            prop_assert!(rule.passed != rule.evidence.is_empty());
            prop_assert!(rule.passed || !rule.reasons.is_empty());
        }
        let failed = verdict.levels == ["FAILED"];
        prop_assert_eq!(failed, !verdict.passed);
    }

    #[test]
    fn no_single_signer_is_two(name in select(vec!["a", "b", "c"]), many in 1_usize..20) {
        let policy = rule("signatures", json!({"signers": ["key/a", "key/b", "key/c"], "threshold": 2}));
        prop_assert!(!passes(&policy, &vec![signature(name); many]));
    }
}
