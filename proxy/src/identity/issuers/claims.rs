//! What a token's claims mean to policies: a name, roles, groups, attributes.
//!
//! Names get the issuer's prefix, and what would read like a name of another issuer is left out; lists are taken as they stand in
//! this token, never added to.

use std::collections::BTreeMap;

use serde_json::Value;
use zas_policy::{Identity, matches_pattern};

use super::rejected;
use crate::config::Issuer;
use crate::error::Result;

/// Values of one list, and characters of one value: more is cut off, and refused.
const LONGEST_LIST: usize = 1000;
const LONGEST: usize = 256;

/// What names of service accounts (`identity::access_keys`) and of this service itself (`authz`) begin with; no issuer's people are called
/// so.
const OURS: [&str; 2] = ["service/", "system/"];

/// Reads the claims of one issuer.
#[derive(Debug)]
pub(super) struct Claims {
    prefix: String,
    /// Prefixes of other issuers, none of them empty.
    others: Vec<String>,
    roles: Vec<String>,
}

impl Claims {
    /// Of this issuer, among those with these prefixes.
    pub(super) fn new(config: &Issuer, prefixes: &[String]) -> Self {
        let prefix = config.prefix();
        let others = prefixes.iter().filter(|other| !other.is_empty() && **other != prefix).cloned();
        Self { others: others.chain(OURS.map(str::to_owned)).collect(), roles: config.role_pointers(), prefix }
    }

    /// The identity that a token speaks of; `sub` has been checked.
    pub(super) fn identity(&self, config: &Issuer, sub: &str, claims: &Value) -> Result<Identity> {
        let name = config.username.iter().find_map(|pointer| texts(claims.pointer(pointer)?).next());
        let name = name.filter(|name| !name.is_empty() && is_plain(name)).and_then(|name| self.prefixed(&name));
        let name =
            name.ok_or_else(|| rejected("The token has no usable user name, or one that belongs to another issuer."))?;
        let mut roles = self.names(&self.roles, claims);
        let ruled = config.role_rules.iter().filter(|rule| holds(&rule.claims, claims)).map(|rule| rule.role.clone());
        roles.extend(ruled);
        Ok(Identity {
            id: format!("{}/{sub}", config.name),
            name,
            issuer: config.name.clone(),
            roles,
            groups: self.names(&config.groups, claims),
            attributes: attributes(config, claims),
            ..Identity::default()
        })
    }

    fn names(&self, pointers: &[String], claims: &Value) -> Vec<String> {
        let found = pointers.iter().filter_map(|pointer| claims.pointer(pointer)).flat_map(texts);
        let plain = found.filter(|name| !name.is_empty() && is_plain(name));
        plain.filter_map(|name| self.prefixed(&name)).take(LONGEST_LIST).collect()
    }

    /// The name in policies; none where it would be another's.
    fn prefixed(&self, name: &str) -> Option<String> {
        let prefixed = format!("{}{name}", self.prefix);
        let is_anothers = self.others.iter().any(|other| prefixed.starts_with(other.as_str()));
        (!is_anothers).then_some(prefixed)
    }
}

/// The claims that the configuration maps, and those that every token has.
fn attributes(config: &Issuer, claims: &Value) -> BTreeMap<String, Vec<String>> {
    let standard = [("aud", "/aud"), ("azp", "/azp"), ("iss", "/iss")];
    let mapped = config.attributes.iter().map(|(name, pointer)| (name.as_str(), pointer.as_str()));
    let found = standard.into_iter().chain(mapped).filter_map(|(name, pointer)| {
        let values: Vec<String> =
            texts(claims.pointer(pointer)?).filter(|text| is_plain(text)).take(LONGEST_LIST).collect();
        (!values.is_empty()).then(|| (name.to_owned(), values))
    });
    found.collect()
}

/// Whether the claims have what a rule names: each of them one of its values.
fn holds(rule: &BTreeMap<String, Vec<String>>, claims: &Value) -> bool {
    rule.iter().all(|(pointer, patterns)| {
        let matching = |text: String| patterns.iter().any(|pattern| matches_pattern(pattern, &text));
        claims.pointer(pointer).is_some_and(|value| texts(value).any(matching))
    })
}

/// The text, or texts, of a claim; numbers and booleans as JSON writes them.
fn texts(value: &Value) -> impl Iterator<Item = String> {
    let list = match value {
        Value::Array(list) => list.as_slice(),
        one => std::slice::from_ref(one),
    };
    list.iter().filter_map(|one| match one {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(is) => Some(is.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    })
}

/// What is fit to stand in a log and in a record.
fn is_plain(text: &str) -> bool {
    text.len() <= LONGEST && !text.chars().any(char::is_control)
}
