//! Every operator in small policies, all of them: two principals, three actions, three resources, every state of the key, every
//! policy of one or two statements. Small, and complete.

use serde_json::{Value, json};
use zas_policy::{Action, Gate, Identity, Resource, condition_operators};

use crate::{Asked, Known, Question, agree};

/// For an operator: a key of its type, a value of the policy, and two values of requests.
fn sample(operator: &str) -> (&'static str, &'static str, [&'static str; 2]) {
    match operator {
        "StringEquals" | "StringNotEquals" => ("zas:SignedBy", "a", ["a", "b"]),
        "StringEqualsIgnoreCase" | "StringNotEqualsIgnoreCase" => ("zas:SignedBy", "A", ["a", "b"]),
        "StringLike" | "StringNotLike" => ("zas:SignedBy", "a*", ["ab", "b"]),
        "NumericNotEquals" => ("s3:max-keys", "1", ["1", "x"]),
        "NumericEquals" | "NumericLessThanEquals" | "NumericGreaterThan" => ("s3:max-keys", "1", ["1", "2"]),
        "NumericLessThan" | "NumericGreaterThanEquals" => ("s3:max-keys", "1", ["0", "1"]),
        "DateEquals" | "DateNotEquals" | "DateLessThanEquals" | "DateGreaterThan" => ("aws:EpochTime", "1", ["1", "2"]),
        "DateLessThan" | "DateGreaterThanEquals" => ("aws:EpochTime", "1", ["0", "1"]),
        "Bool" | "Null" => ("zas:Signed", "true", ["true", "false"]),
        "BinaryEquals" => ("zas:SignedBy", "YQ==", ["YQ==", "Yg=="]),
        "IpAddress" | "NotIpAddress" => ("aws:SourceIp", "10.0.0.0/8", ["10.1.1.1", "11.0.0.1"]),
        "ArnEquals" | "ArnLike" => ("zas:SignedBy", "arn:aws:iam:::*", ["arn:aws:iam:::x", "arn:aws:s3:::x"]),
        "ArnNotEquals" | "ArnNotLike" => ("zas:SignedBy", "arn:aws:iam:::*", ["arn:aws:iam:::x", "x"]),
        other => panic!("{other} is new: say here what it compares"),
    }
}

/// An operator with every prefix and suffix that it takes.
fn spelt(base: &str) -> Vec<String> {
    if base == "Null" {
        return vec![base.to_owned()];
    }
    ["", "ForAllValues:", "ForAnyValue:"]
        .iter()
        .flat_map(|prefix| ["", "IfExists"].map(|suffix| format!("{prefix}{base}{suffix}")))
        .collect()
}

/// Missing, unknown, empty, one value and two.
fn states([one, other]: [&str; 2]) -> Vec<Option<Option<Vec<String>>>> {
    let list = |values: &[&str]| Some(Some(values.iter().map(|value| (*value).to_owned()).collect()));
    vec![None, Some(None), list(&[]), list(&[one]), list(&[other]), list(&[one, other])]
}

/// Policies of one and of two statements: each allows or denies, alice something under a condition or everybody more without one. They
/// are of a bucket, so that they name principals.
fn policies(condition: &Value) -> Vec<Value> {
    let statements: Vec<Value> = ["Allow", "Deny"]
        .into_iter()
        .flat_map(|effect| {
            let narrow = json!({"Effect": effect, "Principal": {"AWS": "user/alice"}, "Action": "s3:GetObject",
                "Resource": "prod/a*", "Condition": condition});
            let wide = json!({"Effect": effect, "Principal": "*", "Action": ["s3:GetObject", "s3:PutObject"],
                "Resource": "prod/*"});
            [narrow, wide]
        })
        .collect();
    let pairs = statements
        .iter()
        .enumerate()
        .flat_map(|(at, one)| statements.iter().skip(at).map(move |other| vec![one.clone(), other.clone()]));
    let single = statements.iter().map(|one| vec![one.clone()]);
    single.chain(pairs).map(|statements| json!({"Version": "2012-10-17", "Statement": statements})).collect()
}

fn user(name: &str) -> Identity {
    Identity { name: name.into(), ..Identity::default() }
}

/// Every request to a policy, in every state of the key that it asks for; how many they were.
fn ask_everything(document: Value, key: &str, values: [&str; 2]) -> usize {
    let mut question = Question {
        lists: None,
        identity: Vec::new(),
        bucket: Some(document),
        session: None,
        user: user("alice"),
        action: Action::GetObject,
        resource: Resource::bucket("prod"),
        context: Known::default(),
        gate: Gate::Enforce,
    };
    let asked = Asked::of(&question);
    let mut count = 0;
    for state in states(values) {
        question.context = Known(state.map(|values| (key.to_lowercase(), values)).into_iter().collect());
        for name in ["alice", "bob"] {
            question.user = user(name);
            for action in [Action::GetObject, Action::PutObject, Action::ListBucket] {
                question.action = action;
                for resource in
                    [Resource::object("prod", "ab"), Resource::object("prod", "b"), Resource::bucket("prod")]
                {
                    question.resource = resource;
                    agree(asked.decide(&question), &question);
                    count += 1;
                }
            }
        }
    }
    count
}

#[test]
fn every_operator_with_every_state_of_its_key_decides_as_the_reference_evaluator() {
    let mut asked = 0;
    for base in condition_operators() {
        let (key, operand, values) = sample(base);
        for operator in spelt(base) {
            for document in policies(&json!({ operator.as_str(): { key: [operand] } })) {
                asked += ask_everything(document, key, values);
            }
        }
    }
    // All but `Null` are spelt in six ways; 4 policies of one statement and 10 of two; 6 states; 2 principals, 3 actions, 3 resources.
    let spellings = (condition_operators().count() - 1) * 6 + 1;
    assert!(spellings > 26 * 6, "{spellings}");
    assert_eq!(asked, spellings * (4 + 10) * 6 * (2 * 3 * 3));
}
