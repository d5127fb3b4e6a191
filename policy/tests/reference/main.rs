//! The engine against a second reading of AWS's rules: naive, without any index, by another way through the document.
//!
//! Where the two differ, the question is printed as JSON: it belongs into `tests/corpus`, whose README says what to do with it.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod corpus;
mod evaluator;
mod laws;
mod lists;
mod models;
mod strategies;

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::Value;
use zas_policy::{
    AccessLists, Action, Context, Effect, Found, Gate, Identity, Key, Kind, Policy, PolicySet, PolicySetBuilder,
    Principal, Request, Resource, Role, Target,
};

/// Values by key in lower case; `None`: unknown.
#[derive(Debug, Clone, Default)]
struct Known(BTreeMap<String, Option<Vec<String>>>);

impl Context for Known {
    fn find<'a>(&'a self, key: &Key) -> Found<'a> {
        match self.0.get(&key.to_string().to_lowercase()) {
            None => Found::Missing,
            Some(None) => Found::Unknown,
            Some(Some(values)) => Found::list(values),
        }
    }
}

/// What is known, what rules about artifacts count, and the access control lists.
struct Gated<'q>(&'q Known, Gate, Option<lists::Read>);

impl Context for Gated<'_> {
    fn find<'a>(&'a self, key: &Key) -> Found<'a> {
        self.0.find(key)
    }

    fn gate(&self) -> Gate {
        self.1
    }

    fn lists(&self) -> Option<AccessLists<'_>> {
        self.2.as_ref().map(lists::Read::lists)
    }
}

/// A question with everything that it is answered by.
#[derive(Debug, Clone)]
struct Question {
    identity: Vec<Value>,
    bucket: Option<Value>,
    session: Option<Value>,
    /// The access control lists of bucket and object, where lists count.
    lists: Option<Value>,
    user: Identity,
    action: Action,
    resource: Resource,
    context: Known,
    gate: Gate,
}

fn read(kind: Kind, name: &str, text: &str) -> Policy {
    Policy::parse(kind, name, text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The policies of a question, ready to be asked.
struct Asked {
    set: Arc<PolicySet>,
    session: Option<Policy>,
}

impl Asked {
    fn of(question: &Question) -> Self {
        Self::written(question, Value::to_string)
    }

    /// With documents that are written in a way of their own.
    fn written(question: &Question, write: impl Fn(&Value) -> String) -> Self {
        let mut builder = attached(question, &write);
        if let (Some(document), Some(bucket)) = (&question.bucket, question.resource.bucket_name()) {
            builder = builder.bucket(bucket, read(Kind::Bucket, "bucket", &write(document)));
        }
        let session = question.session.as_ref().map(|document| read(Kind::Session, "session", &write(document)));
        Self { set: builder.build(), session }
    }

    /// What they say to a question, whose documents are not looked at.
    fn decide(&self, question: &Question) -> Effect {
        self.ask(question, |request| {
            let decision = self.set.decide(request);
            assert_eq!(self.set.explain(request).decision, decision);
            decision.effect
        })
    }

    /// What they say to whoever would take a role.
    fn decide_trust(&self, role: &str, question: &Question) -> Effect {
        self.ask(question, |request| {
            let decision = self.set.decide_trust(role, request).unwrap();
            assert_eq!(self.set.explain_trust(role, request).unwrap().decision, decision);
            decision.effect
        })
    }

    fn ask(&self, question: &Question, decide: impl Fn(&Request<'_>) -> Effect) -> Effect {
        let principal = Principal::identity(question.user.clone());
        let context = Gated(&question.context, question.gate, question.lists.as_ref().map(lists::Read::of));
        let narrowed_by: Vec<&Policy> = self.session.iter().collect();
        let request = Request {
            principal: &principal,
            action: question.action,
            resource: &question.resource,
            context: &context,
            narrowed_by: &narrowed_by,
        };
        decide(&request)
    }
}

/// The documents of a question, attached to whoever asks: in a session to the role that was taken. Who has taken it may do everything then,
/// which is no longer of use.
fn attached(question: &Question, write: impl Fn(&Value) -> String) -> PolicySetBuilder {
    let user = &question.user;
    let target = match (&user.session, user.roles.first()) {
        (Some(_), Some(role)) => Target::Role(role.clone()),
        _ => Target::User(user.name.clone()),
    };
    let mut builder = PolicySet::builder();
    for (at, document) in question.identity.iter().enumerate() {
        let name = format!("p{at}");
        builder = builder.policy(read(Kind::Identity, &name, &write(document))).attach(name, target.clone());
    }
    if user.session.is_some() {
        let everything = r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;
        builder = builder.policy(read(Kind::Identity, "everything", everything));
        builder = builder.attach("everything", Target::User(user.name.clone()));
        for group in &user.groups {
            builder = builder.attach("everything", Target::Group(group.clone()));
        }
    }
    builder
}

/// Whether the role `deploy` with this trust policy may be taken.
fn trusts(trust: &Value, question: &Question) -> Effect {
    let trust = read(Kind::Trust, "role/deploy", &trust.to_string());
    let builder = attached(question, Value::to_string).role("deploy", Role { trust, max_session: 3600 });
    let session = question.session.as_ref().map(|document| read(Kind::Session, "session", &document.to_string()));
    Asked { set: builder.build(), session }.decide_trust("deploy", question)
}

fn engine(question: &Question) -> Effect {
    Asked::of(question).decide(question)
}

fn agree(ours: Effect, question: &Question) {
    let theirs = evaluator::decide(question);
    assert_eq!(ours, theirs, "the engine, and the reference; for tests/corpus:\n{:#}", corpus::written(question));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn the_engine_decides_as_the_reference_evaluator(question in strategies::question()) {
        agree(engine(&question), &question);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn whether_a_role_may_be_taken_is_decided_as_the_reference_evaluator_does((trust, question) in strategies::taking()) {
        let (ours, theirs) = (trusts(&trust, &question), evaluator::decide_trust(&trust, &question));
        assert_eq!(ours, theirs, "the engine, and the reference: {trust:#}\n{:#}", corpus::written(&question));
    }
}

/// How many questions are asked: `POLICY_CASES` (CI asks 100,000), otherwise few enough for every run.
fn cases() -> u32 {
    std::env::var("POLICY_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(5_000)
}
