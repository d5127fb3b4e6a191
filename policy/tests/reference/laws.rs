//! What must hold of every policy, whatever it says.

use proptest::prelude::*;
use serde_json::{Value, json};
use zas_policy::{Effect, Gate};

use crate::strategies::{document, question};
use crate::{Asked, Question, engine};

fn with(mut question: Question, effect: &str, added: &Value) -> Question {
    let mut document = added.clone();
    for statement in document["Statement"].as_array_mut().unwrap() {
        statement["Effect"] = json!(effect);
        // Of an `Allow` it cannot be said, and what is watched alone takes nothing away.
        statement.as_object_mut().unwrap().remove("Mode");
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

/// The same document as another client might write it: over several lines, each character by its number, lists of one in place of single
/// values, and a statement alone in place of a list of one.
fn rewritten(document: &Value) -> String {
    let mut document = document.clone();
    let list = |value: &mut Value| {
        if value.is_string() {
            *value = json!([value.take()]);
        }
    };
    for statement in document["Statement"].as_array_mut().unwrap() {
        for (name, element) in statement.as_object_mut().unwrap() {
            match name.as_str() {
                "Action" | "NotAction" | "Resource" | "NotResource" => list(element),
                "Principal" | "NotPrincipal" => {
                    element.as_object_mut().into_iter().flatten().for_each(|(_, names)| list(names));
                }
                "Condition" => {
                    let keys =
                        element.as_object_mut().unwrap().values_mut().flat_map(|keys| keys.as_object_mut().unwrap());
                    keys.for_each(|(_, values)| list(values));
                }
                _ => {}
            }
        }
    }
    if let [only] = document["Statement"].as_array().unwrap().as_slice() {
        document["Statement"] = only.clone();
    }
    spelt_out(&document)
}

fn spelt_out(value: &Value) -> String {
    let text = |text: &str| {
        let numbers: String = text.encode_utf16().map(|unit| format!("\\u{unit:04X}")).collect();
        format!("\"{numbers}\"")
    };
    match value {
        Value::String(string) => text(string),
        Value::Array(items) => format!("[\n\t{}\n]", items.iter().map(spelt_out).collect::<Vec<_>>().join(" ,\r\n")),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{} : {}", text(name), spelt_out(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(",\n"))
        }
        other => other.to_string(),
    }
}

/// The document with one element of each statement of an effect about everything: who, what, on what, or under which condition.
fn widened(document: &Value, effect: &str, element: usize) -> Value {
    let mut document = document.clone();
    for statement in document["Statement"].as_array_mut().unwrap() {
        let statement = statement.as_object_mut().unwrap();
        let name = ["Action", "Resource", "Principal", "Condition"][element];
        let is_there = statement.contains_key(name) || statement.contains_key(&format!("Not{name}"));
        if statement["Effect"] != effect || !is_there {
            continue;
        }
        statement.remove(name);
        statement.remove(&format!("Not{name}"));
        if name != "Condition" {
            statement.insert(name.to_owned(), json!("*"));
        }
    }
    document
}

/// All documents of a question, widened.
fn wider(question: &Question, effect: &str, element: usize) -> Question {
    let widened = |document: &Value| widened(document, effect, element);
    Question {
        identity: question.identity.iter().map(widened).collect(),
        bucket: question.bucket.as_ref().map(widened),
        session: question.session.as_ref().map(widened),
        ..question.clone()
    }
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
    fn how_a_document_is_written_means_nothing(question in question()) {
        prop_assert_eq!(Asked::written(&question, rewritten).decide(&question), engine(&question));
    }

    #[test]
    fn a_wider_allow_never_takes_away_and_a_wider_deny_never_grants(question in question(), element in 0_usize..4) {
        match engine(&question) {
            Effect::Allow => prop_assert_eq!(engine(&wider(&question, "Allow", element)), Effect::Allow),
            Effect::Deny => prop_assert_eq!(engine(&wider(&question, "Deny", element)), Effect::Deny),
        }
    }

    #[test]
    fn a_list_allows_nothing_that_a_statement_denies(question in question(), added in document(false)) {
        // So that every denial counts as it is written.
        let question = Question { gate: Gate::Enforce, ..question };
        let bare = Question { identity: Vec::new(), bucket: None, session: None, lists: None, ..question.clone() };
        // Of what allows it alone, the same as a denial is about it too.
        if engine(&with(bare, "Allow", &added)) == Effect::Allow {
            prop_assert_eq!(engine(&with(question, "Deny", &added)), Effect::Deny);
        }
    }

    #[test]
    fn lists_only_add_and_what_narrows_bounds_them(question in question()) {
        let bare = Question { lists: None, ..question.clone() };
        if engine(&bare) == Effect::Allow {
            prop_assert_eq!(engine(&question), Effect::Allow);
        }
        let elsewhere = json!({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::elsewhere"}]});
        let shut = Question { session: Some(elsewhere), ..question };
        prop_assert_eq!(engine(&shut), Effect::Deny);
    }

    #[test]
    fn grants_to_the_public_that_are_ignored_are_as_good_as_none(question in question()) {
        let mut ignoring = question;
        let Some(lists) = &mut ignoring.lists else { return Ok(()) };
        lists["ignores_public"] = json!(true);
        let mut without = ignoring.clone();
        for list in ["bucket", "object"] {
            let grants = without.lists.as_mut().and_then(|lists| lists[list].get_mut("grants"));
            if let Some(grants) = grants.and_then(Value::as_array_mut) {
                grants.retain(|grant| !grant[0].as_str().unwrap().contains("/global/"));
            }
        }
        prop_assert_eq!(engine(&ignoring), engine(&without));
    }

    #[test]
    fn without_a_policy_nothing_is_allowed(question in question()) {
        let bare = Question { identity: Vec::new(), bucket: None, lists: None, ..question };
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
