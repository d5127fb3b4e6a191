//! Decisions as JSON, so that clients in other languages can read what the language means: `tests/cases/*.json`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use zas_policy::{
    Action, Context, Found, Gate, Identity, Key, Kind, Policy, PolicySet, Principal, Request, Resource, Role, Session,
    Target,
};

struct Known {
    values: BTreeMap<String, Vec<String>>,
    gate: Gate,
}

impl Context for Known {
    fn find<'a>(&'a self, key: &Key) -> Found<'a> {
        match self.values.get(&key.to_string().to_lowercase()) {
            None => Found::Missing,
            Some(values) if values.iter().any(|value| value == "<unknown>") => Found::Unknown,
            Some(values) => Found::list(values),
        }
    }

    fn gate(&self) -> Gate {
        self.gate
    }
}

fn gate(value: &Value) -> Gate {
    match value.as_str() {
        Some("off") => Gate::Off,
        Some("audit") => Gate::Audit,
        _ => Gate::Enforce,
    }
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

fn principal(value: &Value) -> Principal {
    match value.as_str() {
        Some("anonymous") => return Principal::Anonymous,
        Some("root") => return Principal::root("AKIAROOT"),
        _ => {}
    }
    let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
    let attributes = value["attributes"].as_object().into_iter().flatten();
    Principal::identity(Identity {
        id: text("id"),
        name: text("name"),
        issuer: text("issuer"),
        roles: strings(&value["roles"]),
        groups: strings(&value["groups"]),
        attributes: attributes.map(|(name, values)| (name.clone(), strings(values))).collect(),
        access_key_id: None,
        session: value["session"].as_str().map(|name| Session { name: name.into(), ..Session::default() }),
        policy: None,
    })
}

fn resource(text: &str) -> Resource {
    if let Some(name) = text.strip_prefix("arn:zas:oci:::") {
        return Resource::repository(name);
    }
    if let Some(name) = text.strip_prefix("arn:aws:iam:::role/") {
        return Resource::role(name);
    }
    match text.strip_prefix("arn:aws:s3:::").map(|name| name.split_once('/').ok_or(name)) {
        Some(Ok((bucket, key))) => Resource::object(bucket, key),
        Some(Err(bucket)) => Resource::bucket(bucket),
        None => Resource::Service,
    }
}

fn read(kind: Kind, name: &str, document: &Value) -> Policy {
    Policy::parse(kind, name, &document.to_string()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn set(file: &Value) -> std::sync::Arc<PolicySet> {
    let mut builder = PolicySet::builder();
    let each = |field: &str| file[field].as_object().cloned().unwrap_or_default();
    for (name, document) in each("policies") {
        builder = builder.policy(read(Kind::Identity, &name, &document));
    }
    for (policy, targets) in each("attachments") {
        for target in strings(&targets) {
            let (kind, name) = target.split_once('/').unwrap();
            let target = match kind {
                "user" => Target::User(name.into()),
                "role" => Target::Role(name.into()),
                _ => Target::Group(name.into()),
            };
            builder = builder.attach(policy.clone(), target);
        }
    }
    for (bucket, document) in each("buckets") {
        builder = builder.bucket(bucket.clone(), read(Kind::Bucket, &format!("bucket/{bucket}"), &document));
    }
    for (role, document) in each("roles") {
        let trust = read(Kind::Trust, &format!("role/{role}"), &document);
        builder = builder.role(role, Role { trust, max_session: 3600 });
    }
    builder.build()
}

fn check(set: &PolicySet, case: &Value) {
    let named = case["name"].as_str().unwrap();
    let principal = principal(&case["principal"]);
    let action: Action = case["action"].as_str().unwrap().parse().unwrap();
    let resource = resource(case["resource"].as_str().unwrap_or_default());
    let context = case["context"].as_object().into_iter().flatten();
    let values = context.map(|(key, values)| (key.to_lowercase(), strings(values))).collect();
    let context = Known { values, gate: gate(&case["gate"]) };
    let session = case.get("session_policy").map(|document| read(Kind::Session, "session", document));
    let narrowed_by: Vec<&Policy> = session.iter().collect();
    let request =
        Request { principal: &principal, action, resource: &resource, context: &context, narrowed_by: &narrowed_by };
    let decision = match &resource {
        Resource::Role { name } => set.decide_trust(name, &request).unwrap(),
        _ => set.decide(&request),
    };
    assert_eq!(decision.effect.to_string(), case["effect"].as_str().unwrap(), "{named}: {decision:?}");
    let listed = |values: Vec<String>, field: &str| {
        if let Some(expected) = case.get(field) {
            assert_eq!(values, strings(expected), "{named}: {field}");
        }
    };
    listed(decision.statements.iter().map(ToString::to_string).collect(), "statements");
    listed(decision.audited.iter().map(ToString::to_string).collect(), "audited");
    listed(decision.unsure.iter().map(ToString::to_string).collect(), "unsure");
    listed(decision.missing.iter().map(ToString::to_string).collect(), "missing");
    listed(decision.unknown.iter().map(ToString::to_string).collect(), "unknown");
    if let Some(expected) = case["is_open"].as_bool() {
        assert_eq!(decision.is_open, expected, "{named}: is_open");
    }
}

#[test]
fn every_case_is_decided_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut cases = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let file: Value = serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
        let set = set(&file);
        for case in file["cases"].as_array().unwrap() {
            check(&set, case);
            cases += 1;
        }
    }
    assert!(cases >= 30, "{cases}");
}
