//! Every operator with every number of values, all of them: small, and complete.

use serde_json::{Value, json};
use zas_policy::{Action, Identity, Resource};

use crate::{Known, Question, agree};

/// An operator, a key of its type, a value of the policy, and two values of requests.
const OPERATORS: &[(&str, &str, &str, [&str; 2])] = &[
    ("StringEquals", "zas:SignedBy", "a", ["a", "b"]),
    ("StringNotEquals", "zas:SignedBy", "a", ["a", "b"]),
    ("StringEqualsIgnoreCase", "zas:SignedBy", "A", ["a", "b"]),
    ("StringNotEqualsIgnoreCase", "zas:SignedBy", "A", ["a", "b"]),
    ("StringLike", "zas:SignedBy", "a*", ["ab", "b"]),
    ("StringNotLike", "zas:SignedBy", "a*", ["ab", "b"]),
    ("NumericEquals", "s3:max-keys", "1", ["1", "2"]),
    ("NumericNotEquals", "s3:max-keys", "1", ["1", "x"]),
    ("NumericLessThan", "s3:max-keys", "1", ["0", "1"]),
    ("NumericLessThanEquals", "s3:max-keys", "1", ["1", "2"]),
    ("NumericGreaterThan", "s3:max-keys", "1", ["1", "2"]),
    ("NumericGreaterThanEquals", "s3:max-keys", "1", ["0", "1"]),
    ("DateEquals", "aws:EpochTime", "1", ["1", "2"]),
    ("DateNotEquals", "aws:EpochTime", "1", ["1", "2"]),
    ("DateLessThan", "aws:EpochTime", "1", ["0", "1"]),
    ("DateLessThanEquals", "aws:EpochTime", "1", ["1", "2"]),
    ("DateGreaterThan", "aws:EpochTime", "1", ["1", "2"]),
    ("DateGreaterThanEquals", "aws:EpochTime", "1", ["0", "1"]),
    ("Bool", "zas:Signed", "true", ["true", "false"]),
    ("IpAddress", "aws:SourceIp", "10.0.0.0/8", ["10.1.1.1", "11.0.0.1"]),
    ("NotIpAddress", "aws:SourceIp", "10.0.0.0/8", ["10.1.1.1", "11.0.0.1"]),
    ("ArnLike", "zas:SignedBy", "arn:aws:iam:::*", ["arn:aws:iam:::x", "arn:aws:s3:::x"]),
    ("ArnNotEquals", "zas:SignedBy", "arn:aws:iam:::*", ["arn:aws:iam:::x", "x"]),
    ("Null", "zas:Signed", "true", ["true", "false"]),
];

fn operators(base: &str) -> Vec<String> {
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

fn statement(effect: &str, condition: Option<&Value>) -> Value {
    let mut statement = json!({"Effect": effect, "Action": "s3:GetObject", "Resource": "prod/*"});
    if let Some(condition) = condition {
        statement["Condition"] = condition.clone();
    }
    statement
}

#[test]
fn every_operator_with_every_state_of_its_key_decides_as_the_reference_evaluator() {
    let mut asked = 0;
    for (base, key, operand, values) in OPERATORS {
        for operator in operators(base) {
            for state in states(*values) {
                let condition = json!({ operator.as_str(): { *key: [operand] } });
                let plain = statement("Allow", None);
                for statements in [
                    vec![statement("Allow", Some(&condition))],
                    vec![plain.clone(), statement("Deny", Some(&condition))],
                    vec![statement("Deny", Some(&condition)), statement("Allow", Some(&condition))],
                ] {
                    for (action, resource) in [
                        (Action::GetObject, Resource::object("prod", "x")),
                        (Action::PutObject, Resource::object("prod", "x")),
                        (Action::GetObject, Resource::object("dev", "x")),
                    ] {
                        let known = state.clone().map(|values| (key.to_lowercase(), values));
                        agree(&Question {
                            identity: vec![json!({"Version": "2012-10-17", "Statement": statements})],
                            bucket: None,
                            session: None,
                            user: Identity { name: "alice".into(), ..Identity::default() },
                            action,
                            resource,
                            context: Known(known.into_iter().collect()),
                        });
                        asked += 1;
                    }
                }
            }
        }
    }
    assert_eq!(asked, (23 * 6 + 1) * 6 * 9);
}
