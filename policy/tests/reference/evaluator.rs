//! AWS's rules read a second time, statement by statement from the JSON, with recursion in place of automata.

use std::net::IpAddr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ipnet::IpNet;
use serde_json::Value;
use zas_policy::{Effect, Gate, Resource};

use crate::Question;

/// Yes, no, or it cannot be told.
type Truth = Option<bool>;

/// What a document is attached to.
#[derive(Clone, Copy, PartialEq)]
enum Of {
    /// Users, roles, groups, sessions.
    Principals,
    /// A bucket: it is about what is in the bucket, and about the bucket.
    Bucket,
    /// A role that may be taken: it is about the role.
    Role,
}

pub(crate) fn decide(question: &Question) -> Effect {
    let identity = question.identity.iter().map(|document| (document, Of::Principals));
    let own: Vec<(&Value, Of)> =
        identity.chain(question.bucket.iter().map(|document| (document, Of::Bucket))).collect();
    let narrower = question.session.iter().map(|document| (document, Of::Principals));
    let denied = own.iter().copied().chain(narrower).any(|(document, of)| denies(document, of, question));
    let given = own.iter().any(|(document, of)| allows(document, *of, question)) || listed(question);
    effect(given && is_within(question) && !denied)
}

/// Whether the role with this trust policy may be taken. What is attached to whoever asks can only deny.
pub(crate) fn decide_trust(trust: &Value, question: &Question) -> Effect {
    let others = question.identity.iter().chain(&question.session).map(|document| (document, Of::Principals));
    let denied = others.chain([(trust, Of::Role)]).any(|(document, of)| denies(document, of, question));
    effect(allows(trust, Of::Role, question) && is_within(question) && !denied)
}

fn effect(allowed: bool) -> Effect {
    if allowed { Effect::Allow } else { Effect::Deny }
}

/// Whether an access control list allows it: the table of AWS ("Mapping of ACL permissions and access policy permissions") line by line.
fn listed(question: &Question) -> bool {
    let Some(lists) = &question.lists else { return false };
    let (bucket, object) = (&lists["bucket"], &lists["object"]);
    let owns = |list: &Value| list["owner"].as_str() == Some(whom(question).as_str());
    let has = |list: &Value, permission: &str| grants(list, lists["ignores_public"] == true, permission, question);
    match question.action.as_str() {
        "s3:ListBucket" => has(bucket, "READ"),
        "s3:PutObject" => has(bucket, "WRITE"),
        "s3:DeleteObject" => has(bucket, "WRITE") && (owns(bucket) || owns(object)),
        "s3:GetObject" if object.is_null() => has(bucket, "READ"),
        "s3:GetObject" => has(object, "READ"),
        "s3:PutObjectAcl" => !object.is_null() && (owns(object) || has(object, "WRITE_ACP")),
        _ => false,
    }
}

fn grants(list: &Value, ignores_public: bool, permission: &str, question: &Question) -> bool {
    list["grants"].as_array().into_iter().flatten().any(|grant| {
        let (grantee, given) = (grant[0].as_str().unwrap(), grant[1].as_str().unwrap());
        let is_public = grantee.ends_with("/AllUsers") || grantee.ends_with("/AuthenticatedUsers");
        let is_role = question.user.session.is_some() && grantee == format!("role/{}", question.user.roles[0]);
        (given == permission || given == "FULL_CONTROL")
            && if is_public { !ignores_public } else { is_role || grantee == whom(question) }
    })
}

/// Who asks, as owners and grantees are named.
fn whom(question: &Question) -> String {
    let user = &question.user;
    match &user.session {
        Some(session) => format!("role/{}/{}", user.roles[0], session.name),
        None => format!("user/{}", user.name),
    }
}

/// Whether what narrows the credential allows it too.
fn is_within(question: &Question) -> bool {
    question.session.as_ref().is_none_or(|document| allows(document, Of::Principals, question))
}

fn allows(document: &Value, of: Of, question: &Question) -> bool {
    statements(document).into_iter().any(|s| s["Effect"] == "Allow" && about(s, of, question) == Some(true))
}

fn denies(document: &Value, of: Of, question: &Question) -> bool {
    statements(document)
        .into_iter()
        .any(|s| s["Effect"] == "Deny" && counts(s, question) && about(s, of, question) != Some(false))
}

/// Whether a `Deny` denies: not where it is watched alone, or where rules about artifacts do not count.
fn counts(statement: &Value, question: &Question) -> bool {
    let conditions = statement.get("Condition").and_then(Value::as_object).into_iter().flatten();
    let mut keys = conditions.flat_map(|(_, keys)| keys.as_object().unwrap().keys());
    let asks_for_evidence = keys.any(|key| ["zas:signed", "zas:signedby"].contains(&key.to_lowercase().as_str()));
    statement.get("Mode").is_none_or(|mode| mode == "Enforce") && (question.gate == Gate::Enforce || !asks_for_evidence)
}

fn statements(document: &Value) -> Vec<&Value> {
    match &document["Statement"] {
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

fn about(statement: &Value, of: Of, question: &Question) -> Truth {
    let action = question.action.as_str().to_lowercase();
    let named = |field: &str| strings(&statement[field]).iter().any(|p| like(&p.to_lowercase(), &action));
    let right_action = if statement.get("Action").is_some() { named("Action") } else { !named("NotAction") };
    let is_of_bucket = ["s3:", "oci:", "supply:"].iter().any(|service| action.starts_with(service));
    let right_action = right_action && (of != Of::Bucket || is_of_bucket);
    let right_principal = match (statement.get("Principal"), statement.get("NotPrincipal")) {
        (Some(principals), _) => is_principal(principals, question),
        (_, Some(principals)) => !is_principal(principals, question),
        _ => true,
    };
    let right_resource = if of == Of::Role { Some(true) } else { resource(statement, question) };
    let mut facts = vec![Some(right_action && right_principal), right_resource];
    for (operator, keys) in statement.get("Condition").and_then(Value::as_object).into_iter().flatten() {
        for (key, values) in keys.as_object().unwrap() {
            facts.push(condition(operator, key, &strings(values), question));
        }
    }
    conjunction(&facts)
}

fn conjunction(facts: &[Truth]) -> Truth {
    if facts.contains(&Some(false)) {
        Some(false)
    } else if facts.contains(&None) {
        None
    } else {
        Some(true)
    }
}

fn disjunction(facts: &[Truth]) -> Truth {
    let negated: Vec<Truth> = facts.iter().map(|fact| fact.map(|yes| !yes)).collect();
    conjunction(&negated).map(|yes| !yes)
}

fn is_principal(element: &Value, question: &Question) -> bool {
    if element == "*" {
        return true;
    }
    let user = &question.user;
    // Who has taken a role is that role, and no longer the user, the groups and the issuer.
    let session = user.session.as_ref().map(|session| session.name.as_str());
    let has_role = |name: &str| user.roles.iter().any(|role| role == name);
    let is_named = |name: &String| {
        let name =
            ["arn:aws:iam:::", "arn:aws:sts:::"].iter().find_map(|start| name.strip_prefix(start)).unwrap_or(name);
        match name.split_once('/') {
            None => name == "*",
            Some(("user", name)) => session.is_none() && user.name == name,
            Some(("group", name)) => session.is_none() && user.groups.iter().any(|group| group == name),
            Some(("role", name)) => has_role(name),
            Some(("assumed-role", name)) => {
                let (role, name) = name.split_once('/').unwrap();
                session == Some(name) && has_role(role)
            }
            Some(_) => panic!("{name} is no principal"),
        }
    };
    let issuers = strings(&element["Federated"]);
    strings(&element["AWS"]).iter().any(is_named) || (session.is_none() && issuers.contains(&user.issuer))
}

fn resource(statement: &Value, question: &Question) -> Truth {
    let name = match &question.resource {
        Resource::Bucket { bucket } => format!("arn:aws:s3:::{bucket}"),
        Resource::Object { bucket, key } => format!("arn:aws:s3:::{bucket}/{key}"),
        Resource::Repository { name } => format!("arn:zas:oci:::{name}"),
        Resource::Role { name } => format!("arn:aws:iam:::role/{name}"),
        other => panic!("{other:?} is not asked for here"),
    };
    let negated = statement.get("Resource").is_none();
    let patterns = strings(&statement[if negated { "NotResource" } else { "Resource" }]);
    let mut facts = Vec::new();
    let mut void = false;
    for pattern in patterns {
        let forms = if pattern == "*" || pattern.starts_with("arn:") {
            vec![pattern]
        } else {
            vec![format!("arn:aws:s3:::{pattern}"), format!("arn:zas:oci:::{pattern}")]
        };
        for form in forms {
            if begins_otherwise(&form, &name) {
                facts.push(Some(false));
                continue;
            }
            match substitute(&form, question) {
                Put::Text(marked) => facts.push(Some(like_marked(&marked, &name))),
                Put::Unknown => facts.push(None),
                Put::Void => void = true,
            }
        }
    }
    match (disjunction(&facts), negated, void) {
        (fact, false, _) => fact,
        (Some(false), true, true) => Some(false),
        (None, true, _) => None,
        (fact, true, _) => fact.map(|yes| !yes),
    }
}

/// Whether the text before the first wildcard or variable rules a match out, whatever the rest stands for.
fn begins_otherwise(pattern: &str, text: &str) -> bool {
    let literal = pattern.replace("${*}", "\u{1}");
    let end = literal.find(['*', '?']).unwrap_or(literal.len()).min(literal.find("${").unwrap_or(literal.len()));
    !text.starts_with(&literal.get(..end).unwrap().replace('\u{1}', "*"))
}

/// A pattern after its variables: each character, and whether it acts as a wildcard.
enum Put {
    Text(Vec<(char, bool)>),
    Unknown,
    Void,
}

fn substitute(pattern: &str, question: &Question) -> Put {
    let mut marked = Vec::new();
    let mut rest = pattern;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix("${") {
            let (name, after) = inside.split_once('}').unwrap();
            rest = after;
            if ["*", "?", "$"].contains(&name) {
                marked.push((name.chars().next().unwrap(), false));
                continue;
            }
            let (key, default) = match name.split_once(',') {
                Some((key, default)) => (key.trim(), Some(default.trim().trim_matches('\''))),
                None => (name, None),
            };
            let text = match values(key, question) {
                None => return Put::Unknown,
                Some(found) if found.len() == 1 => found.first().cloned().unwrap(),
                Some(_) => match default {
                    Some(default) => default.to_owned(),
                    None => return Put::Void,
                },
            };
            marked.extend(text.chars().map(|c| (c, false)));
        } else {
            let c = rest.chars().next().unwrap();
            marked.push((c, c == '*' || c == '?'));
            rest = rest.get(c.len_utf8()..).unwrap();
        }
    }
    Put::Text(marked)
}

/// The values of a key; `None`: unknown. Missing is an empty list.
fn values(key: &str, question: &Question) -> Option<Vec<String>> {
    let user = &question.user;
    match key.to_lowercase().as_str() {
        "aws:username" => Some(vec![user.name.clone()]),
        "aws:groups" => Some(user.groups.clone()),
        "zas:roles" => Some(user.roles.clone()),
        "aws:principaltype" => {
            let kind = if user.session.is_some() { "AssumedRole" } else { "User" };
            Some(vec![kind.to_owned()])
        }
        lower if lower.starts_with("jwt:") => {
            Some(user.attributes.get(key.get(4..).unwrap()).cloned().unwrap_or_default())
        }
        lower => question.context.0.get(lower).cloned().unwrap_or(Some(Vec::new())),
    }
}

fn like(pattern: &str, text: &str) -> bool {
    like_marked(&pattern.chars().map(|c| (c, c == '*' || c == '?')).collect::<Vec<_>>(), text)
}

fn like_marked(pattern: &[(char, bool)], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    fn go(pattern: &[(char, bool)], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, _) => text.is_empty(),
            (Some((('*', true), after)), None) => go(after, text),
            (Some((('*', true), after)), Some((_, rest))) => go(after, text) || go(pattern, rest),
            (Some(_), None) => false,
            (Some(((c, wild), after)), Some((t, rest))) => ((*wild && *c == '?') || c == t) && go(after, rest),
        }
    }
    go(pattern, &text)
}

fn condition(operator: &str, key: &str, operands: &[String], question: &Question) -> Truth {
    let (quantifier, rest) = match operator.split_once(':') {
        Some((quantifier, rest)) => (quantifier, rest),
        None => ("", operator),
    };
    let base = rest.trim_end_matches("IfExists");
    let found = values(key, question)?;
    if base == "Null" {
        return Some(operands.iter().any(|wanted| (wanted == "true") == found.is_empty()));
    }
    let negated = base.contains("Not");
    let positive = base.replace("Not", "");
    if found.is_empty() {
        let yes = quantifier == "ForAllValues" || rest.ends_with("IfExists") || (negated && quantifier.is_empty());
        return Some(yes);
    }
    // Void: a negated comparison with a variable that has no value makes the whole statement say nothing.
    let mut facts = Vec::new();
    for value in &found {
        let mut fits = Vec::new();
        let mut void = false;
        for operand in operands {
            match compare(&positive, operand, value, question) {
                Ok(fact) => fits.push(fact),
                Err(Void) => void = true,
            }
        }
        let fit = disjunction(&fits);
        facts.push(match (negated, fit, void) {
            (false, fit, _) => fit,
            (true, Some(false), true) => return void_outcome(quantifier, &facts, found.len()),
            (true, fit, _) => fit.map(|yes| !yes),
        });
    }
    match quantifier {
        "ForAllValues" => conjunction(&facts),
        "ForAnyValue" => disjunction(&facts),
        _ if negated => conjunction(&facts),
        _ => disjunction(&facts),
    }
}

/// With one value nothing is left to say; the strategies give variables only where there is one.
fn void_outcome(_: &str, _: &[Truth], values: usize) -> Truth {
    assert_eq!(values, 1, "variables are compared with single values here");
    Some(false)
}

struct Void;

fn compare(operator: &str, operand: &str, value: &str, question: &Question) -> Result<Truth, Void> {
    let relation = |a: f64, b: f64| {
        let (equal, less) = ((a - b).abs() < f64::EPSILON, a < b);
        if operator.ends_with("LessThanEquals") {
            less || equal
        } else if operator.ends_with("GreaterThanEquals") {
            !less
        } else if operator.ends_with("LessThan") {
            less
        } else if operator.ends_with("GreaterThan") {
            !less && !equal
        } else {
            equal
        }
    };
    let text = |wildcards: bool| match substitute(operand, question) {
        Put::Text(marked) => Ok(marked.into_iter().map(|(c, wild)| (c, wild && wildcards)).collect::<Vec<_>>()),
        Put::Unknown => Err(None),
        Put::Void => Err(Some(Void)),
    };
    let put = |wildcards: bool, test: &dyn Fn(Vec<(char, bool)>) -> bool| match text(wildcards) {
        Ok(marked) => Ok(Some(test(marked))),
        Err(None) => Ok(None),
        Err(Some(void)) => Err(void),
    };
    match operator {
        "StringEquals" => put(false, &|marked| like_marked(&marked, value)),
        "StringEqualsIgnoreCase" => put(false, &|marked| {
            let lower: String = marked.iter().flat_map(|(c, _)| c.to_lowercase()).collect();
            lower == value.to_lowercase()
        }),
        "StringLike" if begins_otherwise(operand, value) => Ok(Some(false)),
        "StringLike" => put(true, &|marked| like_marked(&marked, value)),
        "ArnLike" | "ArnEquals" if value.matches(':').count() < 5 => Ok(None),
        "ArnLike" | "ArnEquals" => put(true, &|marked| like_marked(&marked, value)),
        "Bool" => Ok(match value.to_lowercase().as_str() {
            known @ ("true" | "false") => Some(operand.to_lowercase() == known),
            _ => None,
        }),
        "BinaryEquals" => {
            let bytes = |text: &str| BASE64_STANDARD.decode(text).ok();
            Ok(bytes(value).map(|value| Some(value) == bytes(operand)))
        }
        "IpAddress" => {
            let network = operand.parse::<IpNet>().or_else(|_| operand.parse::<IpAddr>().map(IpNet::from)).unwrap();
            Ok(value.parse::<IpAddr>().ok().map(|address| network.contains(&address)))
        }
        _ => Ok(value.parse::<f64>().ok().map(|value| relation(value, operand.parse().unwrap()))),
    }
}
