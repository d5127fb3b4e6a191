//! Questions as JSON, and those of `tests/corpus`: where engine and reference have differed once, or a naive engine would.

use std::path::Path;

use proptest::prelude::*;
use serde_json::{Value, json};
use zas_policy::{Gate, Identity, Resource, Session};

use crate::strategies::question;
use crate::{Known, Question, engine, evaluator};

/// A question as a case of the corpus has it.
pub(crate) fn written(question: &Question) -> Value {
    let user = &question.user;
    json!({
        "identity": question.identity,
        "bucket": question.bucket,
        "session": question.session,
        "lists": question.lists,
        "user": {
            "name": user.name,
            "issuer": user.issuer,
            "groups": user.groups,
            "roles": user.roles,
            "attributes": user.attributes,
            "session": user.session.as_ref().map(|session| &session.name),
        },
        "action": question.action.as_str(),
        "resource": question.resource.to_string(),
        "context": question.context.0,
        "gate": format!("{:?}", question.gate),
    })
}

fn read(case: &Value) -> Question {
    let document = |field: &str| case.get(field).filter(|document| !document.is_null()).cloned();
    let user = &case["user"];
    Question {
        identity: case["identity"].as_array().cloned().unwrap_or_default(),
        bucket: document("bucket"),
        session: document("session"),
        lists: document("lists"),
        user: Identity {
            name: user["name"].as_str().unwrap().to_owned(),
            issuer: user["issuer"].as_str().unwrap_or_default().to_owned(),
            groups: serde_json::from_value(user["groups"].clone()).unwrap_or_default(),
            roles: serde_json::from_value(user["roles"].clone()).unwrap_or_default(),
            session: user["session"].as_str().map(|name| Session { name: name.to_owned(), ..Session::default() }),
            attributes: serde_json::from_value(user["attributes"].clone()).unwrap_or_default(),
            ..Identity::default()
        },
        action: case["action"].as_str().unwrap().parse().unwrap(),
        resource: resource(case["resource"].as_str().unwrap()),
        context: Known(serde_json::from_value(case["context"].clone()).unwrap()),
        gate: match case["gate"].as_str() {
            Some("Off") => Gate::Off,
            Some("Audit") => Gate::Audit,
            _ => Gate::Enforce,
        },
    }
}

fn resource(name: &str) -> Resource {
    if let Some(name) = name.strip_prefix("arn:zas:oci:::") {
        return Resource::repository(name);
    }
    if let Some(name) = name.strip_prefix("arn:aws:iam:::role/") {
        return Resource::role(name);
    }
    let name = name.strip_prefix("arn:aws:s3:::").unwrap();
    match name.split_once('/') {
        Some((bucket, key)) => Resource::object(bucket, key),
        None => Resource::bucket(name),
    }
}

#[test]
fn every_case_of_the_corpus_is_decided_as_it_says_by_engine_and_reference() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let mut cases = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let case: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert!(case["why"].as_str().is_some_and(|why| !why.is_empty()), "{} does not say why", path.display());
        let question = read(&case["question"]);
        let expected = case["effect"].as_str().unwrap();
        assert_eq!(engine(&question).to_string(), expected, "the engine on {}", path.display());
        assert_eq!(evaluator::decide(&question).to_string(), expected, "the reference on {}", path.display());
        cases += 1;
    }
    assert!(cases >= 8, "{cases}");
}

proptest! {
    #[test]
    fn a_question_is_read_from_the_corpus_as_it_was_written(question in question()) {
        let text = written(&question);
        prop_assert_eq!(written(&read(&text)), text);
    }
}
