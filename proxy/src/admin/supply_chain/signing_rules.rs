//! `/buckets/{bucket}/signing-rules`: what is signed in a bucket by itself, as it is put.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use zas_policy::{Action, Resource};

use crate::admin::caller::asks;
use crate::admin::etag::{etag, expected};
use crate::admin::text::text;
use crate::admin::{Permitted, Refusal};
use crate::app::App;
use crate::error::{Code, Error, Result};
use crate::index::{self, NewSigningRules, SigningBacklog};
use crate::supply_chain::keys::{Usage, check_name};

/// Rules of one bucket: each is compared with every key that is put.
const RULES: usize = 50;

/// Bytes of a prefix or a suffix: a key has no more.
const KEY_BYTES: usize = 1024;

asks! { "bucket":
    /// Asks for a bucket's rules.
    GetSigningRules: GetSigningRules, Resource::bucket;
    /// Asks to set them.
    PutSigningRules: PutSigningRules, Resource::bucket;
    /// Asks to remove them.
    DeleteSigningRules: DeleteSigningRules, Resource::bucket;
}

/// A rule: objects that are put under such a key are signed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SigningRule {
    /// The name, on record with each signature.
    #[schema(example = "tarballs", max_length = 128, pattern = r"^[a-z0-9]([a-z0-9._-]{0,126}[a-z0-9])?$")]
    name: String,
    /// What keys begin with; empty: any.
    #[serde(default, deserialize_with = "text::<_, 1024>")]
    #[schema(example = "linux/", max_length = 256, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    prefix: String,
    /// What keys end with; empty: any.
    #[serde(default, deserialize_with = "text::<_, 1024>")]
    #[schema(example = ".tgz", max_length = 256, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    suffix: String,
    /// The content type, or a family of them such as `image/*`; unset: any.
    #[serde(default)]
    #[schema(
        example = "application/gzip",
        max_length = 255,
        pattern = r"^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/([a-z0-9][a-z0-9!#$&^_.+-]{0,126}|\*)$"
    )]
    media_type: Option<String>,
    /// The name of the signing key, one for releases.
    #[schema(example = "release", max_length = 128, pattern = r"^[a-z0-9]([a-z0-9._-]{0,126}[a-z0-9])?$")]
    key: String,
    /// Whether older clients shall find a signature too; that needs `listen.external_url`.
    #[serde(default)]
    legacy: bool,
}

impl From<index::SigningRule> for SigningRule {
    fn from(rule: index::SigningRule) -> Self {
        let index::SigningRule { name, prefix, suffix, media_type, key_name: key, legacy } = rule;
        Self { name, prefix, suffix, media_type, key, legacy }
    }
}

impl From<SigningRule> for index::SigningRule {
    fn from(rule: SigningRule) -> Self {
        let SigningRule { name, prefix, suffix, media_type, key, legacy } = rule;
        Self { name, prefix, suffix, media_type, key_name: key, legacy }
    }
}

/// The rules of a bucket, and what waits for them.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SigningRules {
    /// The bucket.
    bucket: String,
    /// The rules by name; an object that several are about is signed by each.
    rules: Vec<SigningRule>,
    /// Objects that wait to be signed.
    waiting: u64,
    /// Objects that were given up, until they are asked for again.
    failed: u64,
    /// Another with each change; 0 where there are none. As `ETag`, in quotes.
    version: i64,
    /// When they became what they are.
    #[serde(with = "time::serde::rfc3339::option")]
    changed_at: Option<OffsetDateTime>,
    /// By whom.
    changed_by: Option<String>,
}

/// What the rules shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"rules": [{"name": "tarballs", "prefix": "linux/", "suffix": ".tgz", "key": "release"}]}))]
pub(super) struct NewSigningRulesRequest {
    /// All of them: those that are not named are gone.
    #[schema(max_items = 50)]
    rules: Vec<SigningRule>,
}

impl SigningRules {
    fn of(bucket: String, rules: index::SigningRules, backlog: SigningBacklog) -> Self {
        let index::SigningRules { rules, version, changed_at, changed_by } = rules;
        let rules = rules.into_iter().map(SigningRule::from).collect();
        let SigningBacklog { waiting, failed } = backlog;
        Self { bucket, rules, waiting, failed, version, changed_at, changed_by }
    }
}

/// Show a bucket's signing rules, and how much waits for them.
#[utoipa::path(get, path = "/buckets/{bucket}/signing-rules", tag = "signing rules",
    params(("bucket" = String, Path, description = "The name.")),
    responses((status = 200, body = SigningRules, headers(("ETag" = String, description = "The version."))),
        (status = 404, description = "There is no bucket of this name.")))]
pub(super) async fn get_signing_rules(
    State(app): State<Arc<App>>,
    _permitted: Permitted<GetSigningRules>,
    Path(bucket): Path<String>,
) -> Result<impl IntoResponse, Refusal> {
    let rules = app.index.signing_rules(&bucket).await?;
    let backlog = app.index.signing_backlog(Some(&bucket)).await?;
    let rules = SigningRules::of(bucket, rules, backlog);
    Ok(([(header::ETAG, etag(rules.version))], Json(rules)))
}

/// Set a bucket's signing rules. Whoever does needs the right to use each of the keys (`supply:UseSigningKey`).
///
/// What is put from now on is signed, soon after it was put; what is there already is not.
#[utoipa::path(put, path = "/buckets/{bucket}/signing-rules", tag = "signing rules",
    params(("bucket" = String, Path, description = "The name."),
        ("If-Match" = Option<String>, Header, description = "The version that is replaced."),
        ("If-None-Match" = Option<String>, Header, description = "`*`: there is none yet.")),
    request_body = NewSigningRulesRequest,
    responses((status = 200, body = SigningRules, headers(("ETag" = String, description = "The version."))),
        (status = 404, description = "There is no bucket of this name, or no key of one."),
        (status = 412, description = "Another version stands there."),
        (status = 501, description = "No key ring is configured: there are no signing keys.")))]
pub(super) async fn put_signing_rules(
    State(app): State<Arc<App>>,
    permitted: Permitted<PutSigningRules>,
    Path(bucket): Path<String>,
    headers: HeaderMap,
    body: Result<Json<NewSigningRulesRequest>, JsonRejection>,
) -> Result<impl IntoResponse, Refusal> {
    let Json(NewSigningRulesRequest { rules }) = body?;
    let permit = &permitted.permit;
    check(&app, &rules)?;
    let keys: HashSet<&str> = rules.iter().map(|rule| rule.key.as_str()).collect();
    for key in &keys {
        app.authority.authorize(permit.caller(), Action::UseSigningKey, Resource::managed("signing-key", *key)).await?;
    }
    for key in &keys {
        check_key(&app, key).await?;
    }
    let expected = expected_rules(&app, &bucket, &headers).await?;
    let rules: Vec<index::SigningRule> = rules.into_iter().map(index::SigningRule::from).collect();
    let (by, record) = (permit.principal().to_string(), permit.record().map(|record| record.note(in_words(&rules))));
    let new = NewSigningRules { bucket: &bucket, rules: &rules, expected, by: &by, audit: record.as_slice() };
    let stands = app.index.put_signing_rules(new).await?;
    let backlog = app.index.signing_backlog(Some(&bucket)).await?;
    let rules = SigningRules::of(bucket, stands, backlog);
    Ok(([(header::ETAG, etag(rules.version))], Json(rules)))
}

/// Remove a bucket's signing rules, and what waits for them.
#[utoipa::path(delete, path = "/buckets/{bucket}/signing-rules", tag = "signing rules",
    params(("bucket" = String, Path, description = "The name."),
        ("If-Match" = Option<String>, Header, description = "The version that is removed.")),
    responses((status = 204, description = "They are gone."),
        (status = 404, description = "There is no bucket of this name, or it has none."),
        (status = 412, description = "Another version stands there.")))]
pub(super) async fn delete_signing_rules(
    State(app): State<Arc<App>>,
    permitted: Permitted<DeleteSigningRules>,
    Path(bucket): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    let (expected, record) = (expected_rules(&app, &bucket, &headers).await?, permitted.permit.record());
    app.index.delete_signing_rules(&bucket, expected, record.as_slice()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn expected_rules(app: &App, bucket: &str, headers: &HeaderMap) -> Result<Option<i64>> {
    let current = async || Ok(Some(app.index.signing_rules(bucket).await?.version).filter(|version| *version != 0));
    expected(headers, current).await
}

/// What no other rule, and no key, need be asked about.
fn check(app: &App, rules: &[SigningRule]) -> Result<()> {
    let wrong = |at: usize, field: &str, text: String| {
        Err(Error::new(Code::InvalidArgument, text).with("field", format!("rules[{at}].{field}")))
    };
    if rules.len() > RULES {
        return Err(Error::new(Code::InvalidArgument, "A bucket has at most 50 signing rules.").with("field", "rules"));
    }
    let mut names = HashSet::new();
    for (at, rule) in rules.iter().enumerate() {
        if let Err(error) = check_name(&rule.name) {
            return wrong(at, "name", error.message().to_owned());
        }
        if !names.insert(&rule.name) {
            return wrong(at, "name", "There are two rules of this name.".to_owned());
        }
        for (field, text) in [("prefix", &rule.prefix), ("suffix", &rule.suffix)] {
            if text.len() > KEY_BYTES {
                return wrong(at, field, format!("{field} must have at most 1,024 bytes."));
            }
        }
        if rule.media_type.as_deref().is_some_and(|text| !is_media_type(text)) {
            return wrong(
                at,
                "media_type",
                "A media type is written type/subtype, in lower case, or type/*.".to_owned(),
            );
        }
        if rule.legacy && app.config.listen.external_url.is_none() {
            let text = "A signature for older clients names the registry: set listen.external_url.";
            return wrong(at, "legacy", text.to_owned());
        }
    }
    Ok(())
}

/// A media type without parameters, as the index has those of objects (RFC 6838, 4.2); or all of a family.
fn is_media_type(text: &str) -> bool {
    let is_name = |name: &str| {
        let is_first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_other = |byte: u8| is_first(byte) || b"!#$&^_.+-".contains(&byte);
        name.len() <= 127 && name.bytes().next().is_some_and(is_first) && name.bytes().all(is_other)
    };
    text.split_once('/').is_some_and(|(family, rest)| is_name(family) && (rest == "*" || is_name(rest)))
}

/// The key must be there, and be one for releases. That it may be disabled later is found out when it signs.
async fn check_key(app: &App, name: &str) -> Result<()> {
    app.signing_keys()?;
    let found = app.index.last_signing_key(name).await?;
    let found = found.ok_or_else(|| Error::new(Code::NoSuchEntity, format!("There is no signing key {name}.")))?;
    if found.usage == Usage::Release.as_str() {
        return Ok(());
    }
    let text = format!("The signing key {name} is none for releases.");
    Err(Error::new(Code::InvalidArgument, text).with("field", "rules"))
}

/// What is set, for the record.
fn in_words(rules: &[index::SigningRule]) -> String {
    let each =
        rules.iter().map(|rule| format!("{}: {}*{} with {}", rule.name, rule.prefix, rule.suffix, rule.key_name));
    each.collect::<Vec<_>>().join("; ").chars().filter(|c| !c.is_control()).take(1000).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_types_or_families() {
        for text in ["application/gzip", "image/*", "application/vnd.acme.model+json", "a/b"] {
            assert!(is_media_type(text), "{text}");
        }
        for text in [
            "",
            "image",
            "image/",
            "/png",
            "*/*",
            "Image/png",
            "image/png;q=1",
            "image/p*",
            &format!("a/{}", "b".repeat(128)),
        ] {
            assert!(!is_media_type(text), "{text}");
        }
    }
}
