//! `/verification-policies`: what must be shown of artifacts before they pass, as documents with versions.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use utoipa::ToSchema;
use zas_policy::Resource;

use super::verification_schema::verification_policy;
use crate::admin::caller::asks;
use crate::admin::etag::{etag, expected};
use crate::admin::name::check_name;
use crate::admin::page::{Page, bounded};
use crate::admin::policies::{History, HistoryPage, PutOptions};
use crate::admin::text::text;
use crate::admin::{Permitted, Refusal};
use crate::app::App;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::index::{NewVerificationPolicy, StoredVerificationPolicy, cut};
use crate::supply_chain::rules;

/// The longest name of a policy.
const NAME: usize = 128;

asks! { "verification_policy":
    /// Asks for all policies.
    ListVerificationPolicies: ListVerificationPolicies, |_| Resource::Service;
    /// Asks for one.
    GetVerificationPolicy: GetVerificationPolicy, |name| Resource::managed("verification-policy", name);
    /// Asks to make or replace one.
    PutVerificationPolicy: PutVerificationPolicy, |name| Resource::managed("verification-policy", name);
    /// Asks to delete one.
    DeleteVerificationPolicy: DeleteVerificationPolicy, |name| Resource::managed("verification-policy", name);
}

/// A verification policy.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VerificationPolicy {
    /// Its name.
    #[schema(example = "release")]
    name: String,
    /// What it is for.
    description: String,
    /// The digest of the document's text: verdicts are about this very text.
    digest: String,
    /// Grows with each change of any policy; 0 where it was only tried. As `ETag`, in quotes.
    version: i64,
    /// When it became what it is.
    #[serde(with = "time::serde::rfc3339::option")]
    changed_at: Option<OffsetDateTime>,
    /// By whom.
    changed_by: Option<String>,
    /// The document; left out of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    document: Option<Value>,
}

/// A page of verification policies by name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct VerificationPolicies {
    /// The policies, without their documents.
    verification_policies: Vec<VerificationPolicy>,
    /// `after` of the next page; null on the last.
    next: Option<String>,
}

/// What a verification policy shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"description": "What is released.", "document": {"scope": ["s3://releases/*"], "rules": [
    {"name": "signed", "signatures": {"signers": ["signing-key/release"]}}]}}))]
pub(super) struct NewVerificationPolicyRequest {
    /// The document: `scope` and `rules` (docs/verification-policies.md).
    #[schema(schema_with = verification_policy)]
    document: Box<RawValue>,
    /// What it is for.
    #[serde(default, deserialize_with = "text::<_, 1024>")]
    #[schema(max_length = 1024, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    description: String,
}

impl VerificationPolicy {
    fn stored(stored: StoredVerificationPolicy, whole: bool) -> Self {
        let document = whole.then(|| serde_json::from_str(&stored.document).unwrap_or(Value::String(stored.document)));
        Self {
            name: stored.name,
            description: stored.description,
            digest: stored.digest.to_string(),
            version: stored.version,
            changed_at: Some(stored.changed_at),
            changed_by: Some(stored.changed_by),
            document,
        }
    }
}

/// List verification policies.
#[utoipa::path(get, path = "/verification-policies", tag = "verification policies", params(Page),
    responses((status = 200, body = VerificationPolicies)))]
pub(super) async fn list_verification_policies(
    State(app): State<Arc<App>>,
    _permitted: Permitted<ListVerificationPolicies>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<VerificationPolicies>, Refusal> {
    let Query(page) = page?;
    let limit = page.limit()?;
    let stored = app.index.list_verification_policies(page.prefix(), page.after(), limit + 1).await?;
    let (stored, more) = cut(stored, limit);
    let policies: Vec<_> = stored.into_iter().map(|stored| VerificationPolicy::stored(stored, false)).collect();
    let next = policies.last().filter(|_| more).map(|policy| policy.name.clone());
    Ok(Json(VerificationPolicies { verification_policies: policies, next }))
}

/// Show a verification policy.
#[utoipa::path(get, path = "/verification-policies/{verification_policy}", tag = "verification policies",
    params(("verification_policy" = String, Path, description = "The name.")),
    responses((status = 200, body = VerificationPolicy, headers(("ETag" = String, description = "The version."))),
        (status = 404, description = "There is none of this name.")))]
pub(super) async fn get_verification_policy(
    State(app): State<Arc<App>>,
    _permitted: Permitted<GetVerificationPolicy>,
    Path(name): Path<String>,
) -> Result<impl IntoResponse, Refusal> {
    let stored = app.index.verification_policy(&name).await?.ok_or(Code::NoSuchEntity)?;
    Ok(([(header::ETAG, etag(stored.version))], Json(VerificationPolicy::stored(stored, true))))
}

/// Make or replace a verification policy.
///
/// `If-Match` with the version that shall be replaced, or `If-None-Match: *` where there shall be none yet; without either the
/// policy becomes what is sent whatever it was. Verdicts of another text count no longer, and are made anew.
#[utoipa::path(put, path = "/verification-policies/{verification_policy}", tag = "verification policies",
    params(("verification_policy" = String, Path, description = "The name."), PutOptions,
        ("If-Match" = Option<String>, Header, description = "The version that is replaced."),
        ("If-None-Match" = Option<String>, Header, description = "`*`: there is none yet.")),
    request_body = NewVerificationPolicyRequest,
    responses((status = 200, body = VerificationPolicy, description = "As it is now, or would be with `dry_run`.",
            headers(("ETag" = String, description = "The version."))),
        (status = 400, description = "Something is wrong: the error names the field; of the document, line and column too."),
        (status = 409, description = "There are 500 verification policies."),
        (status = 412, description = "Another version stands there.")))]
pub(super) async fn put_verification_policy(
    State(app): State<Arc<App>>,
    permitted: Permitted<PutVerificationPolicy>,
    Path(name): Path<String>,
    options: Result<Query<PutOptions>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Json<NewVerificationPolicyRequest>, JsonRejection>,
) -> Result<impl IntoResponse, Refusal> {
    let (Query(options), Json(new)) = (options?, body?);
    check_name(&name, "A verification policy's name", "verification_policy", NAME)?;
    let expected = expected_policy(&app, &name, &headers).await?;
    let document = rules::rewritten(new.document.get()).map_err(Error::from)?;
    rules::VerificationPolicy::parse(&document).map_err(Error::from)?;
    let by = permitted.permit.principal().to_string();
    let record = permitted.permit.record();
    let put = NewVerificationPolicy {
        name: &name,
        document: &document,
        description: &new.description,
        expected,
        by: &by,
        audit: record.as_slice(),
    };
    let version = if options.dry_run { 0 } else { app.index.put_verification_policy(put).await? };
    let policy = VerificationPolicy {
        name,
        description: new.description,
        digest: Digest::of(document.as_bytes()).to_string(),
        version,
        changed_at: (!options.dry_run).then(OffsetDateTime::now_utc),
        changed_by: (!options.dry_run).then_some(by),
        document: Some(serde_json::from_str(&document).map_err(Error::internal)?),
    };
    Ok(([(header::ETAG, etag(version))], Json(policy)))
}

/// Delete a verification policy, with its verdicts.
#[utoipa::path(delete, path = "/verification-policies/{verification_policy}", tag = "verification policies",
    params(("verification_policy" = String, Path, description = "The name."),
        ("If-Match" = Option<String>, Header, description = "The version that is deleted.")),
    responses((status = 204, description = "It is gone."), (status = 404, description = "There is none of this name."),
        (status = 412, description = "Another version stands there.")))]
pub(super) async fn delete_verification_policy(
    State(app): State<Arc<App>>,
    permitted: Permitted<DeleteVerificationPolicy>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    let by = permitted.permit.principal().to_string();
    let (expected, record) = (expected_policy(&app, &name, &headers).await?, permitted.permit.record());
    app.index.delete_verification_policy(&name, expected, &by, record.as_slice()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Show what was changed in a verification policy, when and by whom. One that was deleted keeps its history.
#[utoipa::path(get, path = "/verification-policies/{verification_policy}/history", tag = "verification policies",
    params(("verification_policy" = String, Path, description = "The name."), HistoryPage),
    responses((status = 200, body = History)))]
pub(super) async fn get_verification_policy_history(
    State(app): State<Arc<App>>,
    _permitted: Permitted<GetVerificationPolicy>,
    Path(name): Path<String>,
    page: Result<Query<HistoryPage>, QueryRejection>,
) -> Result<Json<History>, Refusal> {
    let Query(page) = page?;
    let limit = bounded(page.limit)?;
    check_name(&name, "A verification policy's name", "verification_policy", NAME)?;
    let entries = app.index.verification_policy_history(&name, page.before, limit + 1).await?;
    Ok(Json(History::of(entries, limit)))
}

/// The version of a policy that a change expects.
async fn expected_policy(app: &App, name: &str, headers: &HeaderMap) -> Result<Option<i64>> {
    let current = async || Ok(app.index.verification_policy(name).await?.map(|policy| policy.version));
    expected(headers, current).await
}
