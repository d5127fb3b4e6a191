//! Policies and requests that meet each other often: few names, many shapes.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};
use zas_policy::{Action, Gate, Identity, Resource, Session};

use crate::{Known, Question};

pub(crate) const ACTIONS: &[&str] =
    &["s3:GetObject", "s3:PutObject", "s3:Get*", "S3:*", "*", "oci:Pull", "oci:P*", "s3:?etObject"];
/// Those that a bucket's policy may not name.
const ANY_ACTIONS: &[&str] =
    &["s3:GetObject", "s3:PutObject", "S3:*", "*", "oci:P*", "admin:Get*", "sts:*", "sts:AssumeRole"];
const RESOURCES: &[&str] = &[
    "*",
    "prod/*",
    "prod",
    "arn:aws:s3:::prod/*",
    "arn:aws:s3:::prod",
    "arn:zas:oci:::prod/*",
    "home/${aws:username}/*",
    "arn:aws:s3:::*/a",
    "prod/${jwt:team}/*",
    "prod/${jwt:team, 'core'}/*",
    "p?od/a",
    "prod/${*}",
    "*/${aws:userAgent}",
];
const TEXT_KEYS: &[&str] = &[
    "s3:prefix",
    "aws:UserAgent",
    "zas:SignedBy",
    "jwt:team",
    "aws:groups",
    "AWS:username",
    "zas:Roles",
    "aws:PrincipalType",
];
const TEXTS: &[&str] = &["a", "A", "a*", "*", "?", "${aws:username}", "${jwt:team}", "", "core", "${*}", "alice"];
const VALUES: &[&str] = &["a", "A", "ab", "*", "", "core", "alice", "12", "YQ==", "arn:aws:iam:::user/alice"];

fn one_or_many(items: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop_oneof![
        3 => select(items).prop_map(|item| json!(item)),
        1 => subsequence(items, 1..=items.len().min(3)).prop_map(|items| json!(items)),
    ]
}

fn prefixed(base: &'static [&'static str]) -> impl Strategy<Value = String> {
    (select(&["", "", "ForAllValues:", "ForAnyValue:"][..]), select(base), select(&["", "", "IfExists"][..]))
        .prop_map(|(prefix, base, suffix)| format!("{prefix}{base}{suffix}"))
}

const TEXT_OPERATORS: &[&str] = &[
    "StringEquals",
    "StringNotEquals",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "StringLike",
    "StringNotLike",
];
const NUMBER_OPERATORS: &[&str] = &[
    "NumericEquals",
    "NumericNotEquals",
    "NumericLessThan",
    "NumericLessThanEquals",
    "NumericGreaterThan",
    "NumericGreaterThanEquals",
];

const DATE_OPERATORS: &[&str] =
    &["DateEquals", "DateNotEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals"];

/// Variables are compared with keys that have one value at most; what several would mean with a variable that has none, no rule says.
fn texts() -> BoxedStrategy<(String, &'static str, Value)> {
    let fixed: &[&str] = &["a", "A", "a*", "*", "?", "", "core", "${*}", "alice", "deploy", "User"];
    let single: &[&str] = &["s3:prefix", "aws:UserAgent", "AWS:username"];
    prop_oneof![
        (prefixed(TEXT_OPERATORS), select(TEXT_KEYS), one_or_many(fixed)),
        (prefixed(TEXT_OPERATORS), select(single), one_or_many(TEXTS)),
    ]
    .boxed()
}

fn condition() -> impl Strategy<Value = (String, &'static str, Value)> {
    let any_key =
        || select(&["s3:prefix", "s3:max-keys", "aws:SourceIp", "zas:Signed", "zas:SignedBy", "jwt:team"][..]);
    prop_oneof![
        4 => texts(),
        1 => (prefixed(NUMBER_OPERATORS), select(&["s3:max-keys", "s3:prefix"][..]), one_or_many(&["10", "12", "-1.5"])),
        1 => (prefixed(DATE_OPERATORS), select(&["aws:EpochTime", "s3:prefix"][..]), one_or_many(&["1000", "2000"])),
        1 => (prefixed(&["BinaryEquals"]), select(&["zas:SignedBy", "s3:prefix"][..]), one_or_many(&["YQ==", "Yg==", ""])),
        1 => (prefixed(&["Bool"]), select(&["zas:Signed", "s3:prefix"][..]), one_or_many(&["true", "false"])),
        1 => (prefixed(&["IpAddress", "NotIpAddress"]), Just("aws:SourceIp"), one_or_many(&["10.0.0.0/8", "10.1.2.3", "::1"])),
        1 => (prefixed(&["ArnLike", "ArnNotLike", "ArnEquals", "ArnNotEquals"]), select(&["zas:SignedBy", "s3:prefix"][..]),
              one_or_many(&["arn:aws:iam:::user/*", "arn:*:*:*:*:*"])),
        1 => (Just("Null".to_owned()), any_key(), one_or_many(&["true", "false"])),
    ]
}

fn conditions() -> impl Strategy<Value = Option<Value>> {
    let block = vec(condition(), 1..=3).prop_map(|conditions| {
        let mut block: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
        for (operator, key, values) in conditions {
            block.entry(operator).or_default().insert(key.to_owned(), values);
        }
        json!(block)
    });
    option::of(block)
}

fn principals() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!("*")),
        select(&["user/alice", "user/bob", "group//dev", "*"][..]).prop_map(|name| json!({"AWS": name})),
        select(&["role/deploy", "arn:aws:iam:::role/release", "arn:aws:sts:::assumed-role/deploy/job-7"][..])
            .prop_map(|name| json!({"AWS": name})),
        Just(json!({"Federated": "kc", "AWS": ["assumed-role/release/job-7", "user/a/b"]})),
        Just(json!({"AWS": ["user/bob", "group//dev"]})),
    ]
}

fn statement(with_principal: bool) -> impl Strategy<Value = Value> {
    let field = |name: &'static str, values: BoxedStrategy<Value>| {
        (proptest::bool::weighted(0.2), values)
            .prop_map(move |(not, value)| (if not { format!("Not{name}") } else { name.to_owned() }, value))
    };
    let actions = if with_principal { ACTIONS } else { ANY_ACTIONS };
    (
        select(&["Allow", "Allow", "Deny", "Audit"][..]),
        field("Action", one_or_many(actions).boxed()),
        field("Resource", one_or_many(RESOURCES).boxed()),
        field("Principal", principals().boxed()),
        conditions(),
    )
        .prop_map(move |(effect, action, resource, principal, conditions)| {
            let mut statement = Map::new();
            let is_audited = effect == "Audit";
            statement.insert("Effect".into(), json!(if is_audited { "Deny" } else { effect }));
            if is_audited {
                statement.insert("Mode".into(), json!("Audit"));
            }
            statement.insert(action.0, action.1);
            statement.insert(resource.0, resource.1);
            if with_principal {
                statement.insert(principal.0, principal.1);
            }
            if let Some(conditions) = conditions {
                statement.insert("Condition".into(), conditions);
            }
            Value::Object(statement)
        })
}

pub(crate) fn document(with_principal: bool) -> impl Strategy<Value = Value> {
    vec(statement(with_principal), 1..=3)
        .prop_map(|statements| json!({"Version": "2012-10-17", "Statement": statements}))
}

fn known_values(values: &'static [&'static str]) -> impl Strategy<Value = Option<Option<Vec<String>>>> {
    prop_oneof![
        1 => Just(None),
        1 => Just(Some(None)),
        1 => Just(Some(Some(Vec::new()))),
        4 => select(values).prop_map(|value| Some(Some(vec![value.to_owned()]))),
    ]
}

fn context() -> impl Strategy<Value = Known> {
    let several = prop_oneof![
        known_values(VALUES),
        subsequence(VALUES, 2).prop_map(|values| Some(Some(values.into_iter().map(str::to_owned).collect()))),
    ];
    (
        known_values(VALUES),
        known_values(&["10", "12", "-2", "many"]),
        known_values(&["10.1.2.3", "192.168.0.1", "::1", "nowhere"]),
        known_values(&["true", "false", "perhaps"]),
        several,
        known_values(VALUES),
        known_values(&["1000", "1500", "3000", "never"]),
    )
        .prop_map(|(prefix, max_keys, address, signed, signed_by, agent, time)| {
            let keys = [
                "s3:prefix",
                "s3:max-keys",
                "aws:sourceip",
                "zas:signed",
                "zas:signedby",
                "aws:useragent",
                "aws:epochtime",
            ];
            let values = [prefix, max_keys, address, signed, signed_by, agent, time];
            let known = keys.into_iter().zip(values).filter_map(|(key, values)| Some((key.to_owned(), values?)));
            Known(known.collect())
        })
}

fn user() -> impl Strategy<Value = Identity> {
    let names = select(&["alice", "bob", "*", "a/b", "${aws:username}"][..]);
    let groups = subsequence(&["/dev", "core", "a"][..], 0..=2);
    let roles = subsequence(&["deploy", "release"][..], 0..=2).prop_map(|roles| (roles, None::<&'static str>));
    let sessions = (select(&["deploy", "release"][..]), select(&["job-7", "alice"][..]))
        .prop_map(|(role, session)| (vec![role], Some(session)));
    let team = option::of(select(&["core", "a", "*"][..]));
    (names, groups, team, select(&["", "kc", "gh"][..]), prop_oneof![2 => roles, 1 => sessions]).prop_map(
        |(name, groups, team, issuer, (roles, session))| Identity {
            name: name.to_owned(),
            issuer: issuer.to_owned(),
            groups: groups.into_iter().map(str::to_owned).collect(),
            roles: roles.into_iter().map(str::to_owned).collect(),
            attributes: team.map(|team| ("team".to_owned(), vec![team.to_owned()])).into_iter().collect(),
            session: session.map(|name| Session { name: name.to_owned(), ..Session::default() }),
            ..Identity::default()
        },
    )
}

fn gate() -> impl Strategy<Value = Gate> {
    prop_oneof![3 => Just(Gate::Enforce), 1 => Just(Gate::Audit), 1 => Just(Gate::Off)]
}

fn resource() -> impl Strategy<Value = Resource> {
    prop_oneof![
        select(&["prod", "home"][..]).prop_map(Resource::bucket),
        (select(&["prod", "home", "prod2"][..]), select(&["a", "core/x", "alice/x", "*/x", "a/b/x", "*"][..]))
            .prop_map(|(bucket, key)| Resource::object(bucket, key)),
        select(&["prod/app", "prod", "home/alice/x"][..]).prop_map(Resource::repository),
    ]
}

const GRANTEES: &[&str] = &[
    "user/alice",
    "user/bob",
    "role/deploy",
    "role/deploy/job-7",
    "http://acs.amazonaws.com/groups/global/AllUsers",
    "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
    "http://acs.amazonaws.com/groups/s3/LogDelivery",
];

fn list() -> impl Strategy<Value = Value> {
    let permissions = select(&["READ", "WRITE", "READ_ACP", "WRITE_ACP", "FULL_CONTROL"][..]);
    let owners = select(&["user/alice", "user/bob", "role/deploy/job-7", "root/AKIA", "anonymous"][..]);
    (owners, vec((select(GRANTEES), permissions), 0..=3))
        .prop_map(|(owner, grants)| json!({"owner": owner, "grants": grants}))
}

/// The access control lists of bucket and object.
fn lists() -> impl Strategy<Value = Value> {
    (list(), option::of(list()), any::<bool>()).prop_map(|(bucket, object, ignores_public)| {
        json!({"bucket": bucket, "object": object, "ignores_public": ignores_public})
    })
}

pub(crate) fn question() -> impl Strategy<Value = Question> {
    let actions = select(
        &[
            Action::GetObject,
            Action::PutObject,
            Action::Pull,
            Action::Push,
            Action::ListBucket,
            Action::DeleteObject,
            Action::PutObjectAcl,
            Action::AttachSbom,
            Action::GetQuota,
        ][..],
    );
    (
        vec(document(false), 0..=2),
        option::of(document(true)),
        option::of(document(false)),
        option::of(lists()),
        user(),
        actions,
        resource(),
        context(),
        gate(),
    )
        .prop_map(|(identity, bucket, session, lists, user, action, resource, context, gate)| {
            let bucket = bucket.filter(|_| resource.bucket_name().is_some());
            let lists = lists.filter(|_| resource.bucket_name().is_some());
            Question { identity, bucket, session, lists, user, action, resource, context, gate }
        })
}

/// A statement about who may take a role. One that allows says of whom it is true: others are refused when they are read.
fn trust_statement() -> impl Strategy<Value = Value> {
    let actions = &["sts:AssumeRole", "sts:*", "*", "sts:AssumeRoleWithWebIdentity"][..];
    let narrowing = select(
        &[
            ("StringEquals", "aws:groups", "/dev"),
            ("StringLike", "aws:username", "a*"),
            ("StringEquals", "zas:Roles", "release"),
            ("StringEquals", "jwt:team", "core"),
        ][..],
    );
    (select(&["Allow", "Allow", "Deny"][..]), one_or_many(actions), principals(), conditions(), narrowing).prop_map(
        |(effect, action, principal, conditions, (operator, key, value))| {
            let mut block = conditions.and_then(|block| block.as_object().cloned()).unwrap_or_default();
            block.entry(operator).or_insert_with(|| json!({}))[key] = json!(value);
            json!({"Effect": effect, "Action": action, "Principal": principal, "Condition": block})
        },
    )
}

/// A trust policy of the role `deploy`, and somebody who would take it.
pub(crate) fn taking() -> impl Strategy<Value = (Value, Question)> {
    let trust =
        vec(trust_statement(), 1..=3).prop_map(|statements| json!({"Version": "2012-10-17", "Statement": statements}));
    let actions = select(&[Action::AssumeRole, Action::AssumeRoleWithWebIdentity][..]);
    (trust, vec(document(false), 0..=2), option::of(document(false)), user(), actions, context(), gate()).prop_map(
        |(trust, identity, session, user, action, context, gate)| {
            let resource = Resource::role("deploy");
            (trust, Question { identity, bucket: None, session, lists: None, user, action, resource, context, gate })
        },
    )
}
