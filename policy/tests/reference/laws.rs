//! What must hold of every policy, whatever it says.

use proptest::prelude::*;
use serde_json::{Value, json};
use zas_policy::Effect;

use crate::strategies::{document, question};
use crate::{Question, engine};

fn with(mut question: Question, effect: &str, added: &Value) -> Question {
    let mut document = added.clone();
    for statement in document["Statement"].as_array_mut().unwrap() {
        statement["Effect"] = json!(effect);
    }
    question.identity.push(document);
    question
}

fn reversed(document: &Value) -> Value {
    let mut document = document.clone();
    document["Statement"].as_array_mut().unwrap().reverse();
    document
}

/// The same conditions with keys in other letters.
fn shouted(document: &Value) -> Value {
    let mut document = document.clone();
    for statement in document["Statement"].as_array_mut().unwrap() {
        for keys in
            statement.get_mut("Condition").and_then(Value::as_object_mut).into_iter().flat_map(|b| b.values_mut())
        {
            let shouted = |key: &String| if key.starts_with("jwt:") { key.clone() } else { key.to_uppercase() };
            *keys = keys.as_object().unwrap().iter().map(|(key, values)| (shouted(key), values.clone())).collect();
        }
    }
    document
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn a_deny_that_is_added_never_grants(question in question(), added in document(false)) {
        if engine(&question) == Effect::Deny {
            prop_assert_eq!(engine(&with(question, "Deny", &added)), Effect::Deny);
        }
    }

    #[test]
    fn an_allow_that_is_added_never_takes_away(question in question(), added in document(false)) {
        if engine(&question) == Effect::Allow {
            prop_assert_eq!(engine(&with(question, "Allow", &added)), Effect::Allow);
        }
    }

    #[test]
    fn a_session_policy_only_narrows(question in question()) {
        let open = Question { session: None, ..question.clone() };
        if engine(&question) == Effect::Allow {
            prop_assert_eq!(engine(&open), Effect::Allow);
        }
    }

    #[test]
    fn the_order_of_statements_and_of_policies_means_nothing(question in question()) {
        let mut turned = question.clone();
        turned.identity = question.identity.iter().rev().map(reversed).collect();
        turned.bucket = question.bucket.as_ref().map(reversed);
        prop_assert_eq!(engine(&turned), engine(&question));
    }

    #[test]
    fn the_case_of_condition_keys_means_nothing(question in question()) {
        let mut turned = question.clone();
        turned.identity = question.identity.iter().map(shouted).collect();
        prop_assert_eq!(engine(&turned), engine(&question));
    }

    #[test]
    fn without_a_policy_nothing_is_allowed(question in question()) {
        let bare = Question { identity: Vec::new(), bucket: None, ..question };
        prop_assert_eq!(engine(&bare), Effect::Deny);
    }

    #[test]
    fn what_is_unknown_never_grants(question in question()) {
        let mut unknown = question.clone();
        unknown.context.0.values_mut().for_each(|values| *values = None);
        if engine(&unknown) == Effect::Allow {
            prop_assert_eq!(engine(&question), Effect::Allow);
        }
    }
}
