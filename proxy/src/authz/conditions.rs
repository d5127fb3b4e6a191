//! [`Conditions`]: what a request says under the condition keys of policies.
//!
//! Each door fills in what it has read from the request; address, TLS, time and client come from the request's trail. Nothing a
//! client sends can become a key of the principal: those are looked up elsewhere (crate `zas-policy`).

use std::borrow::Cow;
use std::time::SystemTime;

use http::{HeaderMap, header};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use zas_policy::{AccessLists, Context, Found, Gate, Key, KeyName};

use super::gate::Shown;
use crate::audit::Facts;
use crate::index::Tags;
use crate::s3;

/// The values of a request by key.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    values: Vec<(KeyName, String)>,
    tags: Asked,
}

/// The tags that a request gives an object.
#[derive(Debug, Clone, Default)]
enum Asked {
    /// It gives none.
    #[default]
    None,
    /// They stand in a document that nobody has read yet.
    Unread,
    /// These.
    Are(Tags),
}

/// The tags that the object has that is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Existing<'a> {
    /// What is asked for is no object.
    NoObject,
    /// They were not looked up: what depends on them fails closed.
    Unknown,
    /// These.
    Are(&'a Tags),
}

/// Headers that S3's condition keys are about (Service Authorization Reference, "Condition keys for Amazon S3").
const S3_HEADERS: [(KeyName, &str); 12] = [
    (KeyName::ContentSha256, "x-amz-content-sha256"),
    (KeyName::Acl, "x-amz-acl"),
    (KeyName::GrantRead, "x-amz-grant-read"),
    (KeyName::GrantWrite, "x-amz-grant-write"),
    (KeyName::GrantReadAcp, "x-amz-grant-read-acp"),
    (KeyName::GrantWriteAcp, "x-amz-grant-write-acp"),
    (KeyName::GrantFullControl, "x-amz-grant-full-control"),
    (KeyName::IfMatch, "if-match"),
    (KeyName::IfNoneMatch, "if-none-match"),
    (KeyName::StorageClass, "x-amz-storage-class"),
    (KeyName::MetadataDirective, "x-amz-metadata-directive"),
    (KeyName::ServerSideEncryption, "x-amz-server-side-encryption"),
];

/// Parameters that S3's condition keys are about.
const S3_PARAMETERS: [(KeyName, &str); 4] = [
    (KeyName::Prefix, "prefix"),
    (KeyName::Delimiter, "delimiter"),
    (KeyName::MaxKeys, "max-keys"),
    (KeyName::VersionId, "versionId"),
];

impl Conditions {
    /// What every door knows.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        let referer = headers.get(header::REFERER).and_then(|value| value.to_str().ok());
        let values = referer.map(|referer| (KeyName::Referer, referer.to_owned())).into_iter().collect();
        Self { values, tags: Asked::None }
    }

    /// What an S3 request says.
    #[must_use]
    pub fn of_s3(headers: &HeaderMap, query: &str) -> Self {
        let mut conditions = Self::of(headers);
        for (key, name) in S3_HEADERS {
            if let Some(value) = headers.get(name).and_then(|value| value.to_str().ok()) {
                conditions = conditions.with(key, value);
            }
        }
        // One that cannot be read is refused by the operation.
        if let Ok(Some(s3::CopySourceName { bucket, key, .. })) = s3::copy_source(headers) {
            conditions = conditions.with(KeyName::CopySource, format!("{bucket}/{key}"));
        }
        let mut presigned = false;
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if let Some((key, _)) = S3_PARAMETERS.iter().find(|(_, parameter)| *parameter == name) {
                conditions = conditions.with(*key, value.clone());
            }
            presigned |= name.eq_ignore_ascii_case("x-amz-signature");
            if name.eq_ignore_ascii_case("x-amz-date")
                && let Some(age) = age_millis(&value)
            {
                conditions = conditions.with(KeyName::SignatureAge, age.to_string());
            }
        }
        if presigned || headers.contains_key(header::AUTHORIZATION) {
            let kind = if presigned { "REST-QUERY-STRING" } else { "REST-HEADER" };
            conditions = conditions.with(KeyName::AuthType, kind).with(KeyName::SignatureVersion, "AWS4-HMAC-SHA256");
        }
        conditions
    }

    /// Of a request that gives an object these tags.
    #[must_use]
    pub fn giving(mut self, tags: Tags) -> Self {
        self.tags = Asked::Are(tags);
        self
    }

    /// Of a request that gives an object tags that nobody has read yet.
    #[must_use]
    pub fn giving_unread_tags(mut self) -> Self {
        self.tags = Asked::Unread;
        self
    }

    /// The version of an object that is asked for; none for the current one.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        let named = self.values.iter().find(|(key, _)| *key == KeyName::VersionId);
        named.map(|(_, version)| version.as_str())
    }

    /// With one more value.
    #[must_use]
    pub fn with(mut self, key: KeyName, value: impl Into<String>) -> Self {
        self.values.push((key, value.into()));
        self
    }
}

/// How old a signature is, in milliseconds; `20261124T101500Z` as SigV4 writes it.
fn age_millis(text: &str) -> Option<i128> {
    let format = time::macros::format_description!("[year][month][day]T[hour][minute][second]Z");
    let signed = time::PrimitiveDateTime::parse(text, format).ok()?.assume_utc();
    Some((OffsetDateTime::from(SystemTime::now()) - signed).whole_milliseconds().max(0))
}

/// Conditions and what is known of the request and of the artifact besides, as policies ask for them.
pub(super) struct Known<'a> {
    pub conditions: &'a Conditions,
    pub facts: Option<&'a Facts>,
    pub existing: Existing<'a>,
    pub artifact: Shown<'a>,
    pub gate: Gate,
    pub lists: Option<AccessLists<'a>>,
}

impl Context for Known<'_> {
    fn find<'a>(&'a self, key: &Key) -> Found<'a> {
        let now = || OffsetDateTime::from(SystemTime::now());
        let facts = self.facts;
        match key.name {
            KeyName::SourceIp => Found::maybe(facts.and_then(|facts| facts.source_ip).map(|ip| ip.to_string())),
            KeyName::SecureTransport => Found::maybe(facts.map(|facts| if facts.tls { "true" } else { "false" })),
            KeyName::UserAgent => Found::maybe(facts.and_then(|facts| facts.user_agent.as_deref())),
            KeyName::CurrentTime => Found::maybe(now().format(&Rfc3339).ok()),
            KeyName::EpochTime => Found::one(now().unix_timestamp().to_string()),
            KeyName::ExistingObjectTag => match self.existing {
                Existing::NoObject => Found::Missing,
                Existing::Unknown => Found::Unknown,
                Existing::Are(tags) => Found::maybe(tags.get(&*key.part).map(String::as_str)),
            },
            KeyName::RequestObjectTag | KeyName::RequestObjectTagKeys => self.given(key),
            name if name.is_evidence() => self.evidence(name),
            name => {
                let values = self.conditions.values.iter().filter(|(known, _)| *known == name);
                let values = values.map(|(_, value)| Cow::Borrowed(value.as_str())).collect();
                Found::Values(values)
            }
        }
    }

    fn gate(&self) -> Gate {
        match self.artifact {
            Shown::NoArtifact => Gate::Off,
            Shown::Nothing | Shown::Facts(_) => self.gate,
        }
    }

    fn lists(&self) -> Option<AccessLists<'_>> {
        self.lists
    }
}

impl Known<'_> {
    /// The tags that the request gives an object.
    fn given(&self, key: &Key) -> Found<'_> {
        match &self.conditions.tags {
            Asked::None => Found::Missing,
            Asked::Unread => Found::Unknown,
            Asked::Are(tags) if key.name == KeyName::RequestObjectTag => {
                Found::maybe(tags.get(&*key.part).map(String::as_str))
            }
            Asked::Are(tags) => Found::Values(tags.keys().map(|name| Cow::Borrowed(name.as_str())).collect()),
        }
    }

    /// What nobody has looked at is unknown: what depends on it fails closed.
    fn evidence(&self, name: KeyName) -> Found<'_> {
        let Shown::Facts(facts) = self.artifact else { return Found::Unknown };
        match name {
            // Nothing keeps a tag or a key from being moved; a digest cannot be.
            KeyName::Immutable => {
                let by_digest = (KeyName::ReferenceType, "digest");
                let is_by_digest =
                    self.conditions.values.iter().any(|(key, value)| (*key, value.as_str()) == by_digest);
                Found::one(if is_by_digest { "true" } else { "false" })
            }
            name => facts.find(name, OffsetDateTime::from(SystemTime::now())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supply_chain::facts::Facts as ArtifactFacts;
    use http::HeaderValue;

    fn known<'a>(conditions: &'a Conditions, artifact: Shown<'a>) -> Known<'a> {
        Known { conditions, facts: None, existing: Existing::NoObject, artifact, gate: Gate::Enforce, lists: None }
    }

    fn tagged(name: KeyName, part: &str) -> Key {
        Key { name, part: part.into() }
    }

    fn value(conditions: &Conditions, key: KeyName) -> Option<String> {
        let known = known(conditions, Shown::Nothing);
        match known.find(&Key::plain(key)) {
            Found::Values(values) => values.first().map(|value| value.to_string()),
            _ => None,
        }
    }

    #[test]
    fn s3_parameters_and_headers_become_condition_keys() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-acl", HeaderValue::from_static("public-read"));
        headers.insert("referer", HeaderValue::from_static("https://a.example/"));
        headers.insert("if-none-match", HeaderValue::from_static("*"));
        headers.insert("x-amz-grant-read-acp", HeaderValue::from_static("id=\"user/bob\""));
        let conditions = Conditions::of_s3(&headers, "prefix=a%2Fb&max-keys=7");
        assert_eq!(value(&conditions, KeyName::Prefix).as_deref(), Some("a/b"));
        assert_eq!(value(&conditions, KeyName::MaxKeys).as_deref(), Some("7"));
        assert_eq!(value(&conditions, KeyName::Acl).as_deref(), Some("public-read"));
        assert_eq!(value(&conditions, KeyName::Referer).as_deref(), Some("https://a.example/"));
        assert_eq!(value(&conditions, KeyName::IfNoneMatch).as_deref(), Some("*"));
        assert_eq!(value(&conditions, KeyName::GrantReadAcp).as_deref(), Some("id=\"user/bob\""));
        for absent in [KeyName::AuthType, KeyName::IfMatch, KeyName::GrantRead] {
            assert_eq!(value(&conditions, absent), None);
        }
    }

    #[test]
    fn grants_become_condition_keys_by_the_headers_that_give_them() {
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-grant-full-control", HeaderValue::from_static("id=user/alice"));
        headers.insert("x-amz-grant-read", HeaderValue::from_static("id=user/bob"));
        let conditions = Conditions::of_s3(&headers, "");
        assert_eq!(value(&conditions, KeyName::GrantFullControl).as_deref(), Some("id=user/alice"));
        assert_eq!(value(&conditions, KeyName::GrantRead).as_deref(), Some("id=user/bob"));
        for absent in [KeyName::GrantWrite, KeyName::GrantReadAcp, KeyName::GrantWriteAcp] {
            assert_eq!(value(&conditions, absent), None);
        }
    }

    #[test]
    fn what_is_copied_is_bucket_and_key_however_the_header_is_written() {
        for written in ["bucket/a/b c", "/bucket/a/b%20c", "%62ucket/a%2Fb%20c?versionId=null"] {
            let headers = [(http::HeaderName::from_static("x-amz-copy-source"), written.parse().unwrap())];
            let conditions = Conditions::of_s3(&headers.into_iter().collect(), "");
            assert_eq!(value(&conditions, KeyName::CopySource).as_deref(), Some("bucket/a/b c"), "{written}");
        }
    }

    #[test]
    fn a_presigned_request_says_how_old_its_signature_is() {
        let conditions = Conditions::of_s3(&HeaderMap::new(), "X-Amz-Date=20200101T000000Z&X-Amz-Signature=0");
        assert_eq!(value(&conditions, KeyName::AuthType).as_deref(), Some("REST-QUERY-STRING"));
        assert!(value(&conditions, KeyName::SignatureAge).unwrap().parse::<i128>().unwrap() > 1_000_000);
    }

    #[test]
    fn a_header_named_like_a_key_is_none() {
        let mut headers = HeaderMap::new();
        for name in ["aws:username", "groups", "userid", "jwt:sub", "aws:sourceip"] {
            if let Ok(name) = http::HeaderName::try_from(name) {
                headers.insert(name, HeaderValue::from_static("root"));
            }
        }
        let conditions = Conditions::of_s3(&headers, "aws:username=root&aws:SourceIp=10.0.0.1");
        assert_eq!(value(&conditions, KeyName::Username), None);
        assert_eq!(value(&conditions, KeyName::SourceIp), None);
    }

    #[test]
    fn what_nobody_has_looked_at_is_unknown() {
        let (conditions, signed) = (Conditions::default(), Key::plain(KeyName::Signed));
        assert_eq!(known(&conditions, Shown::Nothing).find(&signed), Found::Unknown);
        assert_eq!(known(&conditions, Shown::NoArtifact).find(&signed), Found::Unknown);
        let facts = ArtifactFacts { complete: true, ..ArtifactFacts::default() };
        assert_eq!(known(&conditions, Shown::Facts(&facts)).find(&signed), Found::one("false"));
    }

    #[test]
    fn the_tags_that_a_request_gives_are_known_once_they_are_read() {
        let team = tagged(KeyName::RequestObjectTag, "team");
        let names = Key::plain(KeyName::RequestObjectTagKeys);
        let find = |conditions: &Conditions, key: &Key| match known(conditions, Shown::Nothing).find(key) {
            Found::Values(values) => Ok(values.iter().map(|value| value.to_string()).collect::<Vec<_>>().join(",")),
            Found::Unknown => Err("unknown"),
            Found::Missing => Err("missing"),
        };
        let none = Conditions::default();
        assert_eq!((find(&none, &team), find(&none, &names)), (Err("missing"), Err("missing")));
        let unread = Conditions::default().giving_unread_tags();
        assert_eq!((find(&unread, &team), find(&unread, &names)), (Err("unknown"), Err("unknown")));
        let tags = [("team", "a"), ("stage", "b")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let read = Conditions::default().giving(Tags::from(tags));
        assert_eq!((find(&read, &team), find(&read, &names)), (Ok("a".to_owned()), Ok("stage,team".to_owned())));
        assert_eq!(find(&read, &tagged(KeyName::RequestObjectTag, "Team")), Err("missing"));
    }

    #[test]
    fn tags_that_were_not_looked_up_are_unknown() {
        let (conditions, key) = (Conditions::default(), tagged(KeyName::ExistingObjectTag, "team"));
        let tags = Tags::from([("team".to_owned(), "a".to_owned())]);
        for (existing, expected) in [
            (Existing::NoObject, Found::Missing),
            (Existing::Unknown, Found::Unknown),
            (Existing::Are(&tags), Found::one("a")),
            (Existing::Are(&Tags::new()), Found::Missing),
        ] {
            let known = Known { existing, ..known(&conditions, Shown::Nothing) };
            assert_eq!(format!("{:?}", known.find(&key)), format!("{expected:?}"), "{existing:?}");
        }
    }

    #[test]
    fn a_digest_cannot_be_moved_and_a_tag_can() {
        let (facts, key) = (ArtifactFacts::default(), Key::plain(KeyName::Immutable));
        for (kind, immutable) in [("digest", "true"), ("tag", "false")] {
            let conditions = Conditions::default().with(KeyName::ReferenceType, kind);
            assert_eq!(known(&conditions, Shown::Facts(&facts)).find(&key), Found::one(immutable));
        }
    }

    #[test]
    fn rules_about_artifacts_do_not_count_for_what_is_none() {
        let conditions = Conditions::default();
        assert_eq!(known(&conditions, Shown::Nothing).gate(), Gate::Enforce);
        assert_eq!(known(&conditions, Shown::NoArtifact).gate(), Gate::Off);
    }
}
