//! `/policies`: identity policies, as documents with versions. A version is an ETag; `If-Match` makes a change conditional.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use zas_policy::{Kind, ParseError, Resource, builtin_policies, builtin_policy};

use super::caller::asks;
use super::etag::{etag, expected};
use super::name;
use super::openapi::schemas::policy_document;
use super::page::{Page, bounded};
use super::text::text;
use super::{Permitted, Refusal};
use crate::app::App;
use crate::audit::Record;
use crate::authz::Permit;
use crate::error::{Code, Error};
use crate::index::{DocumentKind, HistoryEntry, NewDocument, PolicyDocument, cut};

/// The longest name of a policy.
const NAME: usize = 128;

asks! { "policy":
    /// Asks for all policies.
    ListPolicies: ListPolicies, |_| Resource::Service;
    /// Asks for one.
    GetPolicy: GetPolicy, |name| Resource::managed("policy", name);
    /// Asks to make or replace one.
    PutPolicy: PutPolicy, |name| Resource::managed("policy", name);
    /// Asks to delete one.
    DeletePolicy: DeletePolicy, |name| Resource::managed("policy", name);
}

/// A policy.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Policy {
    /// Its name.
    #[schema(example = "release-readers")]
    name: String,
    /// What it is for.
    description: String,
    /// Whether the program brings it along; it cannot be changed then.
    builtin: bool,
    /// Grows with each change of any policy; 0 for one that the program brings along. As `ETag`, in quotes.
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

/// A page of policies by name.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Policies {
    /// The policies, without their documents.
    policies: Vec<Policy>,
    /// `after` of the next page; null on the last.
    next: Option<String>,
}

/// What a policy shall be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"description": "May read what is released.", "document": {"Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Action": ["s3:GetObject", "oci:Pull"], "Resource": "releases/*"}}}))]
pub(super) struct NewPolicy {
    /// The document: `Version` and `Statement`, without `Principal`.
    #[schema(schema_with = policy_document)]
    document: Value,
    /// What it is for.
    #[serde(default, deserialize_with = "text::<_, 1024>")]
    #[schema(max_length = 1024, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    description: String,
}

/// How a policy is put.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PutOptions {
    /// Only check it: nothing is changed.
    #[serde(default)]
    pub(super) dry_run: bool,
}

/// Which part of a history.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct HistoryPage {
    /// How many, from 1 to 1000; 100 where it is not said.
    #[param(minimum = 1, maximum = 1000)]
    pub(super) limit: Option<u32>,
    /// `next` of the page before.
    pub(super) before: Option<i64>,
}

/// A part of a history, the latest change first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct History {
    /// The changes.
    changes: Vec<Change>,
    /// `before` of the next page; null on the last.
    next: Option<i64>,
}

/// A change of a policy, of what it is attached to, or of a role.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Change {
    /// The version that it made.
    version: i64,
    /// `put`, `delete`, `attach` or `detach`.
    change: String,
    /// The state after it.
    #[schema(value_type = Object)]
    state: Value,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    changed_at: OffsetDateTime,
    /// By whom.
    changed_by: String,
}

impl History {
    /// A page of entries, of which one more was asked for than shall be shown.
    pub(super) fn of(entries: Vec<HistoryEntry>, limit: u32) -> Self {
        let (entries, more) = cut(entries, limit);
        let next = entries.last().filter(|_| more).map(|entry| entry.version);
        Self { changes: entries.into_iter().map(Change::from).collect(), next }
    }
}

impl From<HistoryEntry> for Change {
    fn from(entry: HistoryEntry) -> Self {
        let HistoryEntry { version, change, state, changed_at, changed_by } = entry;
        Self { version, change, state, changed_at, changed_by }
    }
}

impl Policy {
    fn stored(stored: PolicyDocument, whole: bool) -> Self {
        let document = whole.then(|| serde_json::from_str(&stored.document).unwrap_or(Value::String(stored.document)));
        Self {
            name: stored.name,
            description: stored.description,
            builtin: false,
            version: stored.version,
            changed_at: Some(stored.changed_at),
            changed_by: Some(stored.changed_by),
            document,
        }
    }

    fn builtin(builtin: &zas_policy::Builtin, whole: bool) -> Self {
        Self {
            name: builtin.name.to_owned(),
            description: builtin.description.to_owned(),
            builtin: true,
            version: 0,
            changed_at: None,
            changed_by: None,
            document: whole.then(|| serde_json::from_str(builtin.document).unwrap_or_default()),
        }
    }
}

/// List policies, those that the program brings along included.
#[utoipa::path(get, path = "/policies", tag = "policies", params(Page), responses((status = 200, body = Policies)))]
pub(super) async fn list_policies(
    State(app): State<Arc<App>>,
    _permitted: Permitted<ListPolicies>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Policies>, Refusal> {
    let Query(page) = page?;
    let limit = page.limit()?;
    let (prefix, after) = (page.prefix(), page.after());
    let stored = app.index.list_policy_documents(DocumentKind::Policy, prefix, after, limit + 1).await?;
    let mut policies: Vec<Policy> = stored.into_iter().map(|stored| Policy::stored(stored, false)).collect();
    let brought = builtin_policies().iter().filter(|builtin| builtin.name.starts_with(prefix) && builtin.name > after);
    policies.extend(brought.map(|builtin| Policy::builtin(builtin, false)));
    policies.sort_by(|a, b| a.name.cmp(&b.name));
    let (policies, more) = cut(policies, limit);
    let next = policies.last().filter(|_| more).map(|policy| policy.name.clone());
    Ok(Json(Policies { policies, next }))
}

/// Show a policy.
#[utoipa::path(get, path = "/policies/{policy}", tag = "policies", params(("policy" = String, Path, description = "The name.")),
    responses((status = 200, body = Policy, headers(("ETag" = String, description = "The version."))),
        (status = 404, description = "There is none of this name.")))]
pub(super) async fn get_policy(
    State(app): State<Arc<App>>,
    _permitted: Permitted<GetPolicy>,
    Path(name): Path<String>,
) -> Result<impl IntoResponse, Refusal> {
    let policy = match builtin_policy(&name) {
        Some(builtin) => Policy::builtin(builtin, true),
        None => {
            let stored = app.index.policy_document(DocumentKind::Policy, &name).await?.ok_or(Code::NoSuchEntity)?;
            Policy::stored(stored, true)
        }
    };
    Ok(([(header::ETAG, etag(policy.version))], Json(policy)))
}

/// Make or replace a policy.
///
/// `If-Match` with the version that shall be replaced, or `If-None-Match: *` where there shall be none yet; without either the
/// policy becomes what is sent whatever it was.
#[utoipa::path(put, path = "/policies/{policy}", tag = "policies",
    params(("policy" = String, Path, description = "The name."), PutOptions,
        ("If-Match" = Option<String>, Header, description = "The version that is replaced."),
        ("If-None-Match" = Option<String>, Header, description = "`*`: there is none yet.")),
    request_body = NewPolicy,
    responses((status = 200, body = Policy, description = "As it is now, or would be with `dry_run`.",
            headers(("ETag" = String, description = "The version."))),
        (status = 400, description = "Something is wrong: the error names the field; of the document, line and column too."),
        (status = 409, description = "It is one that the program brings along."),
        (status = 412, description = "Another version stands there.")))]
pub(super) async fn put_policy(
    State(app): State<Arc<App>>,
    permitted: Permitted<PutPolicy>,
    Path(name): Path<String>,
    options: Result<Query<PutOptions>, QueryRejection>,
    headers: HeaderMap,
    body: Result<Json<NewPolicy>, JsonRejection>,
) -> Result<impl IntoResponse, Refusal> {
    let (Query(options), Json(new)) = (options?, body?);
    check_name(&name)?;
    let expected = expected_document(&app, DocumentKind::Policy, &name, &headers).await?;
    // Written anew, so that line and column are those of the document alone.
    let document = serde_json::to_string_pretty(&new.document).map_err(Error::internal)?;
    zas_policy::Policy::parse(Kind::Identity, &name, &document).map_err(|error| malformed("document", &error))?;
    let by = permitted.permit.principal().to_string();
    let record = permitted.permit.record();
    let put = NewDocument {
        kind: DocumentKind::Policy,
        name: &name,
        document: &document,
        description: &new.description,
        max_session: None,
        expected,
        by: &by,
        audit: record.as_slice(),
    };
    let version = put_document(&app, put, &options).await?;
    let policy = Policy {
        name,
        description: new.description,
        builtin: false,
        version,
        changed_at: (!options.dry_run).then(OffsetDateTime::now_utc),
        changed_by: (!options.dry_run).then_some(by),
        document: Some(new.document),
    };
    Ok(([(header::ETAG, etag(version))], Json(policy)))
}

/// Delete a policy, and with it what it is attached to.
#[utoipa::path(delete, path = "/policies/{policy}", tag = "policies",
    params(("policy" = String, Path, description = "The name."),
        ("If-Match" = Option<String>, Header, description = "The version that is deleted.")),
    responses((status = 204, description = "It is gone."), (status = 404, description = "There is none of this name."),
        (status = 409, description = "It is one that the program brings along."),
        (status = 412, description = "Another version stands there.")))]
pub(super) async fn delete_policy(
    State(app): State<Arc<App>>,
    permitted: Permitted<DeletePolicy>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    check_name(&name)?;
    delete_document(&app, &permitted.permit, DocumentKind::Policy, &name, &headers).await
}

/// Show what was changed in a policy and in what it is attached to, when and by whom. A policy that was deleted keeps its history.
#[utoipa::path(get, path = "/policies/{policy}/history", tag = "policies",
    params(("policy" = String, Path, description = "The name."), HistoryPage), responses((status = 200, body = History)))]
pub(super) async fn get_policy_history(
    State(app): State<Arc<App>>,
    _permitted: Permitted<GetPolicy>,
    Path(name): Path<String>,
    page: Result<Query<HistoryPage>, QueryRejection>,
) -> Result<Json<History>, Refusal> {
    history(&app, DocumentKind::Policy, &name, page).await
}

/// A part of the history of a document.
pub(super) async fn history(
    app: &App,
    kind: DocumentKind,
    name: &str,
    page: Result<Query<HistoryPage>, QueryRejection>,
) -> Result<Json<History>, Refusal> {
    let Query(page) = page?;
    let limit = bounded(page.limit)?;
    Ok(Json(History::of(app.index.policy_history(kind, name, page.before, limit + 1).await?, limit)))
}

/// The version of a document that a change expects.
pub(super) async fn expected_document(
    app: &App,
    kind: DocumentKind,
    name: &str,
    headers: &HeaderMap,
) -> Result<Option<i64>, Error> {
    let current = async || Ok(app.index.policy_document(kind, name).await?.map(|document| document.version));
    expected(headers, current).await
}

/// Puts a document, unless it is only tried; the version that it has then, 0 where it was tried. This replica decides by it at once.
pub(super) async fn put_document(app: &App, new: NewDocument<'_>, options: &PutOptions) -> Result<i64, Error> {
    if options.dry_run {
        record_trial(app, new.audit).await?;
        return Ok(0);
    }
    let version = app.index.put_policy_document(new).await?;
    app.authority.policies().refresh(&app.index).await?;
    Ok(version)
}

/// Puts on record that something was only tried.
pub(super) async fn record_trial(app: &App, audit: &[Record]) -> Result<(), Error> {
    for record in audit {
        app.journal.record(record.clone().note("dry_run: nothing was changed".to_owned())).await?;
    }
    Ok(())
}

/// Deletes a document. This replica decides without it at once.
pub(super) async fn delete_document(
    app: &App,
    permit: &Permit,
    kind: DocumentKind,
    name: &str,
    headers: &HeaderMap,
) -> Result<StatusCode, Refusal> {
    let by = permit.principal().to_string();
    let (expected, record) = (expected_document(app, kind, name, headers).await?, permit.record());
    app.index.delete_policy_document(kind, name, expected, &by, record.as_slice()).await?;
    app.authority.policies().refresh(&app.index).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Names that can be written in a path, a log and a statement's name, and that the program does not use.
pub(super) fn check_name(name: &str) -> Result<(), Error> {
    if builtin_policy(name).is_some() {
        let text = format!("{name} is a policy that the program brings along: it cannot be changed.");
        return Err(Error::new(Code::ReadOnly, text).with("field", "policy"));
    }
    name::check_name(name, "A policy's name", "policy", NAME)
}

/// A document that cannot be used; `field` is what holds it.
pub(super) fn malformed(field: &str, error: &ParseError) -> Error {
    let inner = if error.field.is_empty() { field.to_owned() } else { format!("{field}.{}", error.field) };
    let refusal = Error::new(Code::MalformedPolicy, error.to_string());
    refusal.with("field", inner).with("line", error.line).with("column", error.column)
}
