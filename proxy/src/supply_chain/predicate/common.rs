//! What predicates have in common.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use url::Url;

use super::{WrongPredicate, wrong};

/// A thing by name, place or digest (in-toto attestation, "ResourceDescriptor").
#[derive(Debug, Deserialize)]
pub(super) struct Resource {
    name: Option<String>,
    uri: Option<String>,
    digest: Option<BTreeMap<String, String>>,
    content: Option<String>,
}

impl Resource {
    /// It must say which thing it is.
    pub(super) fn check(&self, place: &str) -> Result<(), WrongPredicate> {
        let says = self.name.is_some() || self.uri.is_some() || self.content.is_some();
        match &self.digest {
            Some(digest) if !digest.is_empty() => digest_of(digest, place),
            _ if says => Ok(()),
            _ => Err(wrong(place, "it has neither uri, digest, name nor content")),
        }
    }
}

/// All of a list.
pub(super) fn check_all(resources: &[Resource], place: &str) -> Result<(), WrongPredicate> {
    resources.iter().enumerate().try_for_each(|(at, resource)| resource.check(&format!("{place}[{at}]")))
}

fn digest_of(digest: &BTreeMap<String, String>, place: &str) -> Result<(), WrongPredicate> {
    let is_wrong = |(algorithm, hex): &(&String, &String)| {
        let is_hex = hex.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
        algorithm.as_str() == "sha256" && !(hex.len() == 64 && is_hex)
    };
    match digest.iter().find(is_wrong) {
        Some(_) => Err(wrong(format!("{place}.digest.sha256"), "it has not 64 digits of lower-case hex")),
        None => Ok(()),
    }
}

/// A time as RFC 3339 has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Instant(pub(super) OffsetDateTime);

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parsed = OffsetDateTime::parse(&text, &Rfc3339);
        parsed.map(Self).map_err(|_| serde::de::Error::custom("it is no time as RFC 3339 has it"))
    }
}

/// Whether something ends before it begins.
pub(super) fn in_order(place: &str, begin: Option<Instant>, end: Option<Instant>) -> Result<(), WrongPredicate> {
    match (begin, end) {
        (Some(begin), Some(end)) if end < begin => Err(wrong(place, "it is before the beginning")),
        _ => Ok(()),
    }
}

/// Whether a text is a URI: of whatever scheme, with something behind it.
pub(super) fn uri(place: &str, text: &str) -> Result<(), WrongPredicate> {
    match Url::parse(text) {
        Ok(_) => Ok(()),
        Err(_) => Err(wrong(place, "it is no URI")),
    }
}

/// Whether there is a text.
pub(super) fn text(place: &str, text: &str) -> Result<(), WrongPredicate> {
    if text.trim().is_empty() { Err(wrong(place, "it is empty")) } else { Ok(()) }
}
