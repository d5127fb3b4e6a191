//! What a policy makes of components.

use proptest::prelude::*;
use time::macros::datetime;

use super::*;
use crate::supply_chain::sbom::Licence;

const NOW: OffsetDateTime = datetime!(2026-06-01 00:00 UTC);

fn policy(json: serde_json::Value) -> LicencePolicy {
    serde_json::from_value(json).unwrap()
}

fn component(purl: &str, licence: Licence) -> Component {
    Component { name: "a".into(), purl: purl.parse().ok(), declared: vec![licence], ..Component::default() }
}

fn expression(text: &str) -> Component {
    component("pkg:npm/a@1.0.0", Licence::Expression(text.into()))
}

fn one(component: &Component, policy: &LicencePolicy) -> (Decision, Option<Evidence>) {
    weigh(component, policy, NOW)
}

fn decision(text: &str, policy: &LicencePolicy) -> Decision {
    one(&expression(text), policy).0
}

#[test]
fn of_or_one_side_must_be_acceptable_and_of_and_both() {
    let policy = policy(serde_json::json!({"allow": ["MIT", "BSD-3-Clause"]}));
    for (text, expected) in [
        ("MIT", Decision::Allowed),
        ("Apache-2.0", Decision::Denied),
        ("MIT OR Apache-2.0", Decision::Allowed),
        ("MIT AND Apache-2.0", Decision::Denied),
        ("MIT AND (BSD-3-Clause OR Apache-2.0)", Decision::Allowed),
        ("Apache-2.0 OR MIT AND BSD-3-Clause", Decision::Allowed),
        ("(Apache-2.0 OR MIT) AND GPL-2.0-only", Decision::Denied),
    ] {
        assert_eq!(decision(text, &policy), expected, "{text}");
    }
}

#[test]
fn without_an_allow_list_all_is_acceptable_that_is_not_denied() {
    let policy = policy(serde_json::json!({"deny": ["AGPL-*", "SSPL-1.0"]}));
    assert_eq!(decision("MIT", &policy), Decision::Allowed);
    assert_eq!(decision("AGPL-3.0-or-later", &policy), Decision::Denied);
    assert_eq!(decision("AGPL-3.0-only OR MIT", &policy), Decision::Allowed);
}

#[test]
fn the_more_precise_entry_counts_and_of_equals_the_deny() {
    let linking = policy(serde_json::json!({
        "allow": ["GPL-2.0-only WITH Classpath-exception-2.0", "GPL-3.0-only"], "deny": ["GPL-*", "GPL-3.0-only"]
    }));
    assert_eq!(decision("GPL-2.0-only WITH Classpath-exception-2.0", &linking), Decision::Allowed);
    assert_eq!(decision("GPL-2.0-only", &linking), Decision::Denied);
    assert_eq!(decision("GPL-3.0-only", &linking), Decision::Denied);
}

#[test]
fn an_exception_of_a_licence_grants_more_than_the_licence() {
    let policy = policy(serde_json::json!({"allow": ["Apache-2.0"]}));
    assert_eq!(decision("Apache-2.0 WITH LLVM-exception", &policy), Decision::Allowed);
}

#[test]
fn a_later_version_may_be_chosen() {
    let policy = policy(serde_json::json!({"allow": ["GPL-3.0-only"]}));
    assert_eq!(decision("GPL-2.0-or-later", &policy), Decision::Allowed);
    assert_eq!(decision("GPL-2.0+", &policy), Decision::Allowed);
    assert_eq!(decision("GPL-2.0-only", &policy), Decision::Denied);
}

#[test]
fn licences_of_ones_own_are_listed_like_any_other() {
    let policy = policy(serde_json::json!({"allow": ["LicenseRef-acme", "DocumentRef-x:LicenseRef-y"]}));
    assert_eq!(decision("LicenseRef-acme", &policy), Decision::Allowed);
    assert_eq!(decision("DocumentRef-x:LicenseRef-y", &policy), Decision::Allowed);
    assert_eq!(decision("LicenseRef-y", &policy), Decision::Denied);
}

#[test]
fn names_are_listed_as_names() {
    let policy =
        policy(serde_json::json!({"allow": ["name:the acme licence*"], "deny": ["name:Evil"], "unreadable": "warn"}));
    let named = |name: &str| one(&component("pkg:npm/a@1", Licence::Named(name.into())), &policy).0;
    assert_eq!(named("The ACME Licence, v2"), Decision::Allowed);
    assert_eq!(named("evil"), Decision::Denied);
    assert_eq!(named("something"), Decision::Warned);
    assert_eq!(decision("Future-Licence-9.0", &policy), Decision::Warned, "an identifier that our list does not have");
}

#[test]
fn what_is_not_said_is_a_setting() {
    for (key, licence, reason) in [
        ("undeclared", Some(Licence::NoAssertion), Reason::Undeclared),
        ("undeclared", None, Reason::Undeclared),
        ("none", Some(Licence::None), Reason::NoLicence),
        ("unreadable", Some(Licence::Named("x".into())), Reason::Unreadable),
    ] {
        let mut component = expression("MIT");
        component.declared = licence.into_iter().collect();
        for (setting, expected) in
            [("allow", Decision::Allowed), ("warn", Decision::Warned), ("deny", Decision::Denied)]
        {
            let (decision, evidence) = one(&component, &policy(serde_json::json!({key: setting})));
            assert_eq!(decision, expected, "{key} {setting}");
            assert_eq!(evidence.map(|evidence| evidence.reasons), (setting != "allow").then(|| vec![reason.clone()]));
        }
    }
}

#[test]
fn deprecated_identifiers_are_a_setting_and_mean_what_they_mean_today() {
    assert_eq!(decision("GPL-2.0", &policy(serde_json::json!({"allow": ["GPL-2.0-only"]}))), Decision::Allowed);
    assert_eq!(decision("GPL-2.0", &policy(serde_json::json!({"deprecated": "warn"}))), Decision::Warned);
    assert_eq!(decision("GPL-2.0", &policy(serde_json::json!({"deprecated": "deny"}))), Decision::Denied);
    assert_eq!(decision("GPL-2.0 OR MIT", &policy(serde_json::json!({"deprecated": "deny"}))), Decision::Allowed);
}

#[test]
fn which_claims_count_is_a_setting() {
    let mut component = expression("GPL-3.0-only");
    component.concluded = vec![Licence::Expression("MIT".into())];
    let with = |claims: &str| policy(serde_json::json!({"allow": ["MIT"], "claims": claims}));
    assert_eq!(one(&component, &with("concluded")).0, Decision::Allowed);
    assert_eq!(one(&component, &with("declared")).0, Decision::Denied);
    assert_eq!(one(&component, &with("both")).0, Decision::Denied);
    component.concluded = vec![Licence::NoAssertion];
    assert_eq!(one(&component, &with("concluded")).0, Decision::Denied, "nothing concluded: the declared one counts");
}

#[test]
fn each_of_several_licences_must_be_acceptable() {
    let mut component = expression("MIT");
    component.declared.push(Licence::Expression("GPL-3.0-only".into()));
    let (decision, evidence) = one(&component, &policy(serde_json::json!({"allow": ["MIT"]})));
    assert_eq!(decision, Decision::Denied);
    assert_eq!(evidence.unwrap().expression, "GPL-3.0-only");
}

#[test]
fn an_exception_lets_a_package_pass_until_it_ends() {
    let with = |purl: &str, licences: &[&str], expires: &str| {
        policy(serde_json::json!({
            "allow": ["MIT"],
            "exceptions": [{"purl": purl, "licences": licences, "expires_at": expires, "reason": "until it is replaced"}]
        }))
    };
    let gpl = expression("MIT AND GPL-3.0-only");
    assert_eq!(one(&gpl, &with("pkg:npm/a", &[], "2026-12-31T00:00:00Z")).0, Decision::Excepted);
    assert_eq!(one(&gpl, &with("pkg:npm/a@1.*", &["GPL-*"], "2026-12-31T00:00:00Z")).0, Decision::Excepted);
    assert_eq!(one(&gpl, &with("pkg:npm/b", &[], "2026-12-31T00:00:00Z")).0, Decision::Denied);
    assert_eq!(one(&gpl, &with("pkg:npm/a", &["AGPL-3.0-only"], "2026-12-31T00:00:00Z")).0, Decision::Denied);
    let (decision, evidence) = one(&gpl, &with("pkg:npm/a", &[], "2026-05-31T00:00:00Z"));
    assert_eq!(decision, Decision::Denied);
    assert!(evidence.unwrap().exception.unwrap().expired, "the evidence says that there was one");
}

#[test]
fn evidence_names_the_component_the_expression_and_the_rule() {
    let policy = policy(serde_json::json!({"allow": ["MIT"], "deny": ["AGPL-*"]}));
    let components = [expression("MIT"), expression("AGPL-3.0-only AND Zlib")];
    let verdict = evaluate(&components, &policy, NOW, 10);
    assert_eq!((verdict.allowed, verdict.denied, verdict.passed()), (1, 1, false));
    let shown = serde_json::to_value(&verdict.evidence).unwrap();
    assert_eq!(
        shown,
        serde_json::json!([{
            "name": "a", "purl": "pkg:npm/a@1.0.0", "expression": "AGPL-3.0-only AND Zlib", "basis": "declared", "decision": "denied",
            "reasons": [
                {"rule": "deny_list", "licence": "AGPL-3.0-only", "entry": "AGPL-*"},
                {"rule": "not_on_allow_list", "licence": "Zlib"}
            ]
        }])
    );
}

#[test]
fn evidence_is_bounded_and_everything_is_counted() {
    let components = vec![expression("AGPL-3.0-only"); 50];
    let verdict = evaluate(&components, &policy(serde_json::json!({"allow": ["MIT"]})), NOW, 3);
    assert_eq!((verdict.denied, verdict.evidence.len()), (50, 3));
}

#[test]
fn a_setting_that_is_not_known_is_refused() {
    for wrong in [
        serde_json::json!({"alow": []}),
        serde_json::json!({"allow": ["Nothing-1.0"]}),
        serde_json::json!({"exceptions": [{"purl": "lodash", "expires_at": "2026-01-01T00:00:00Z", "reason": ""}]}),
        serde_json::json!({"exceptions": [{"purl": "pkg:npm/lodash", "reason": "for ever"}]}),
    ] {
        assert!(serde_json::from_value::<LicencePolicy>(wrong.clone()).is_err(), "{wrong}");
    }
}

fn any_expression() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec!["MIT", "Apache-2.0", "GPL-3.0-only", "LicenseRef-a"]).prop_map(str::to_owned);
    leaf.prop_recursive(4, 16, 2, |inner| {
        (inner.clone(), inner, any::<bool>())
            .prop_map(|(a, b, and)| format!("({a} {} {b})", if and { "AND" } else { "OR" }))
    })
}

/// Reads an expression of [`any_expression`] by another way.
fn holds(expression: &str, acceptable: &str) -> bool {
    let inner = expression.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let Some(inner) = inner else { return expression == acceptable };
    let mut depth = 0;
    for (at, c) in inner.char_indices() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        if depth == 0 {
            for (word, and) in [(" AND ", true), (" OR ", false)] {
                if let Some(right) = inner[at..].strip_prefix(word) {
                    let (left, right) = (holds(&inner[..at], acceptable), holds(right, acceptable));
                    return if and { left && right } else { left || right };
                }
            }
        }
    }
    unreachable!("{expression}")
}

proptest! {
    #[test]
    fn expressions_mean_what_logic_says(text in any_expression()) {
        let allowed = decision(&text, &policy(serde_json::json!({"allow": ["MIT"]}))) == Decision::Allowed;
        prop_assert_eq!(allowed, holds(&text, "MIT"));
    }

    #[test]
    fn any_text_is_an_expression_or_refused(text in "([A-Za-z0-9.+:()/ -]|AND|OR|WITH|MIT|LicenseRef-){0,30}") {
        drop(parse(&text));
    }
}
