//! `/artifacts/sbom` and `/artifacts/sboms`: bills of materials of artifacts: attached, listed, read and removed.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use zas_policy::Action;

use super::artifact::{self, Found, WhichArtifact, artifact_name, asks_in_handler, check_bytes};
use super::sbom::ValidatedSbom;
use super::sign::FoundArtifact;
use crate::admin::answer::Answer;
use crate::admin::idempotency::PostedDocument;
use crate::admin::page::bounded;
use crate::admin::text::{optional_text, text};
use crate::admin::{BASE, Permitted, Refusal};
use crate::app::App;
use crate::authz::Permit;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::index::{StoredSbom, cut};
use crate::supply_chain::sboms;

asks_in_handler! {
    /// Asks to attach a bill of materials. To which artifact stands in the query.
    AttachSbom;
    /// Asks for the bills of materials of an artifact.
    ListSboms;
    /// Asks for one of them.
    GetSbom;
    /// Asks to remove one.
    DeleteSbom;
}

/// To which artifact, and how.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AttachQuery {
    /// The artifact: `s3://bucket/key`, `oci://repository:tag` or `oci://repository@sha256:…`.
    #[serde(deserialize_with = "text::<_, 2048>")]
    #[param(schema_with = artifact_name, required = true)]
    artifact: String,
    /// The name of a signing key for reports: the document is attached as an attestation that it has signed. Unset: it is attached as it is.
    #[serde(default, deserialize_with = "optional_text::<_, 128>")]
    #[param(max_length = 128, pattern = r"^[a-z0-9]([a-z0-9._-]{0,126}[a-z0-9])?$")]
    attestation: Option<String>,
}

/// Of which artifact, and which part.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SbomQuery {
    /// The artifact: `s3://bucket/key`, `oci://repository:tag` or `oci://repository@sha256:…`.
    #[serde(deserialize_with = "text::<_, 2048>")]
    #[param(schema_with = artifact_name, required = true)]
    artifact: String,
    /// How many, from 1 to 1000; 100 where it is not said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[serde(default, deserialize_with = "optional_text::<_, 20>")]
    #[param(pattern = r"^[0-9]{1,18}$")]
    after: Option<String>,
}

/// What was attached.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AttachedSbom {
    /// The artifact.
    artifact: FoundArtifact,
    /// The digest of the document.
    digest: String,
    /// The digest of the manifest that carries it.
    carrier: String,
    /// What it is, and remarks on it.
    sbom: ValidatedSbom,
}

/// A bill of materials of an artifact.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Sbom {
    /// The digest of the document.
    digest: String,
    /// The digest of the manifest that carries it.
    carrier: String,
    /// How it is carried: `referrer`, `statement` or `attestation`.
    carried: &'static str,
    /// `cyclonedx` or `spdx`.
    format: String,
    /// The version of the specification.
    version: String,
    /// How it is written: `json`, `xml`, `tag-value` or `json-ld`.
    encoding: String,
    /// Its own name in the world.
    serial: Option<String>,
    /// Its length in bytes.
    size: u64,
    /// Whether it is valid.
    valid: bool,
    /// How many errors are in it.
    errors: u64,
    /// How many components it lists.
    components: u64,
    /// How many edges it has.
    edges: u64,
    /// When it was indexed.
    #[serde(with = "time::serde::rfc3339")]
    indexed_at: OffsetDateTime,
}

impl From<StoredSbom> for Sbom {
    fn from(stored: StoredSbom) -> Self {
        Self {
            digest: stored.digest.to_string(),
            carrier: stored.carrier.to_string(),
            carried: stored.manner.as_str(),
            format: stored.format,
            version: stored.version,
            encoding: stored.encoding,
            serial: stored.serial,
            size: stored.size,
            valid: stored.errors == 0,
            errors: stored.errors,
            components: stored.components,
            edges: stored.edges,
            indexed_at: stored.indexed_at,
        }
    }
}

/// The bills of materials of an artifact, in the order in which they were found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Sboms {
    /// The artifact.
    artifact: FoundArtifact,
    /// The documents.
    sboms: Vec<Sbom>,
    /// `after` of the next page; null on the last.
    next: Option<String>,
}

/// Attach a bill of materials to an artifact, as it is, or signed as an attestation.
///
/// It must be valid: what is wrong is told place by place, under `problems`. Needs `supply:AttachSBOM` on the artifact; with `attestation` also
/// `supply:Attest`, and `supply:UseSigningKey` on the key.
#[utoipa::path(post, path = "/artifacts/sbom", tag = "artifacts", params(AttachQuery),
    request_body(content((String = "application/vnd.cyclonedx+json"), (String = "application/vnd.cyclonedx+xml"),
        (String = "application/spdx+json"), (String = "text/spdx")), description = "The document: CycloneDX or SPDX."),
    responses((status = 201, body = AttachedSbom, headers(("Location" = String, description = "Where the document is."))),
        (status = 404, description = "There is no such artifact, or no such key."),
        (status = 413, description = "The document, or something in it, is larger than what is read."),
        (status = 415, description = "It is in no format that is read here."),
        (status = 501, description = "No key ring is configured: there are no signing keys."),
        (status = 503, description = "A part of the service is not available; or the object came in parts and is being read.")))]
pub(super) async fn attach_sbom(
    State(app): State<Arc<App>>,
    permitted: Permitted<AttachSbom>,
    query: Result<Query<AttachQuery>, QueryRejection>,
    PostedDocument { bytes, media_type, once }: PostedDocument,
) -> Result<Answer, Refusal> {
    let Query(query) = query?;
    let name = artifact::name(&query.artifact)?;
    let permit = app.authority.authorize(permitted.permit.caller(), Action::AttachSbom, name.resource()).await?;
    if let Some(key) = &query.attestation {
        artifact::use_key(&app, &permit, key).await?;
    }
    let work = async || {
        let found = artifact::look_up(&app, permit.clone(), &name).await?;
        let key = match &query.attestation {
            Some(key) => Some(artifact::key(&app, key).await.map_err(|error| error.with("parameter", "attestation"))?),
            None => None,
        };
        let read = sboms::examine(bytes, media_type).await?;
        let carrier = sboms::attach(&app, &found.permit, &found.artifact, &read, key.as_deref()).await?;
        let digest = Digest::of(&read.bytes).to_string();
        let location = url::form_urlencoded::Serializer::new(format!("{BASE}/artifacts/sboms/{digest}?"))
            .append_pair("artifact", &found.artifact.uri())
            .finish();
        let attached = AttachedSbom {
            artifact: FoundArtifact::from(&found.artifact),
            digest,
            carrier: carrier.to_string(),
            sbom: ValidatedSbom::from(&read.reading),
        };
        Answer::json(StatusCode::CREATED, &attached)?.with(header::LOCATION, &location)
    };
    once.carry_out_elsewhere(&app, &permit, work).await
}

/// List the bills of materials of an artifact, however they were attached.
///
/// Needs `supply:GetSBOM` on the artifact. A document that cannot be read is not among them; what is attached, `artifacts/referrers` lists.
#[utoipa::path(get, path = "/artifacts/sboms", tag = "artifacts", params(SbomQuery),
    responses((status = 200, body = Sboms), (status = 404, description = "There is no such artifact."),
        (status = 503, description = "A part of the service is not available; or the object came in parts and is being read.")))]
pub(super) async fn list_sboms(
    State(app): State<Arc<App>>,
    permitted: Permitted<ListSboms>,
    query: Result<Query<SbomQuery>, QueryRejection>,
) -> Result<Json<Sboms>, Refusal> {
    let Query(query) = query?;
    let (limit, after) = (bounded(query.limit)?, row(query.after.as_deref())?);
    let Found { permit, artifact } = looked_up(&app, &permitted.permit, &query.artifact, Action::GetSbom).await?;
    permitted.reads(&permit, Some(artifact.digest));
    let scope = artifact.scope();
    // What was attached past us is found now.
    app.evidence.look_again(&app, &scope, &artifact.digest).await?;
    let key = artifact.object.as_ref().map_or("", |object| object.key.as_str());
    let found = app.index.sboms(&scope, key, &artifact.digest, after, limit + 1).await?;
    let (found, more) = cut(found, limit);
    let next = found.last().filter(|_| more).map(|last| last.id.to_string());
    let sboms = found.into_iter().map(Sbom::from).collect();
    Ok(Json(Sboms { artifact: FoundArtifact::from(&artifact), sboms, next }))
}

/// Get a bill of materials of an artifact: the document itself, taken out of what carries it.
///
/// Needs `supply:GetSBOM` on the artifact. Whose signature is on it, if any, is not looked at.
#[utoipa::path(get, path = "/artifacts/sboms/{digest}", tag = "artifacts",
    params(("digest" = String, Path, description = "The digest of the document, as the list has it."), WhichArtifact),
    responses((status = 200, description = "The document, under the media type of its format.", body = Vec<u8>, content_type = "*/*"),
        (status = 404, description = "There is no such artifact, or it has no such document."),
        (status = 503, description = "A part of the service is not available; or the object came in parts and is being read.")))]
pub(super) async fn get_sbom(
    State(app): State<Arc<App>>,
    permitted: Permitted<GetSbom>,
    Path(digest): Path<String>,
    query: Result<Query<WhichArtifact>, QueryRejection>,
) -> Result<impl IntoResponse, Refusal> {
    let Query(query) = query?;
    let digest = parsed(&digest)?;
    let found = looked_up(&app, &permitted.permit, &query.artifact, Action::GetSbom).await?;
    permitted.reads(&found.permit, Some(found.artifact.digest));
    let stored = stored(&app, &found, &digest).await?;
    let bytes = sboms::document(&app, &found.artifact, &stored).await?.ok_or_else(no_such_sbom)?;
    check_bytes(&app, &found.permit, &found.artifact, &digest).await?;
    let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(media_type(&stored)))]);
    // Somebody else has written it: no browser is to guess what it is.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    Ok((headers, bytes))
}

/// Remove a bill of materials of an artifact: the manifest that carries it goes, with all that is in it.
///
/// Needs `supply:DeleteSBOM` on the artifact; of an attestation `supply:DeleteAttestation` as well.
#[utoipa::path(delete, path = "/artifacts/sboms/{digest}", tag = "artifacts",
    params(("digest" = String, Path, description = "The digest of the document, as the list has it."), WhichArtifact),
    responses((status = 204, description = "It is gone."),
        (status = 404, description = "There is no such artifact, or it has no such document."),
        (status = 409, description = "It is a part of an index."),
        (status = 503, description = "A part of the service is not available; or the object came in parts and is being read.")))]
pub(super) async fn delete_sbom(
    State(app): State<Arc<App>>,
    permitted: Permitted<DeleteSbom>,
    Path(digest): Path<String>,
    query: Result<Query<WhichArtifact>, QueryRejection>,
) -> Result<StatusCode, Refusal> {
    let Query(query) = query?;
    let digest = parsed(&digest)?;
    let found = looked_up(&app, &permitted.permit, &query.artifact, Action::DeleteSbom).await?;
    let stored = stored(&app, &found, &digest).await?;
    sboms::remove(&app, &found.permit, &found.artifact, &stored).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn looked_up(app: &App, known: &Permit, name: &str, action: Action) -> Result<Found> {
    let name = artifact::name(name)?;
    let permit = app.authority.authorize(known.caller(), action, name.resource()).await?;
    artifact::look_up(app, permit, &name).await
}

/// A document of an artifact; one that was attached past us is found now.
async fn stored(app: &App, found: &Found, digest: &Digest) -> Result<StoredSbom> {
    let (scope, subject) = (found.artifact.scope(), &found.artifact.digest);
    let key = found.artifact.object.as_ref().map_or("", |object| object.key.as_str());
    if let Some(stored) = app.index.sbom(&scope, key, subject, digest).await? {
        return Ok(stored);
    }
    app.evidence.look_again(app, &scope, subject).await?;
    app.index.sbom(&scope, key, subject, digest).await?.ok_or_else(no_such_sbom)
}

fn no_such_sbom() -> Error {
    Error::new(Code::NoSuchEntity, "The artifact has no bill of materials of this digest.")
}

fn media_type(stored: &StoredSbom) -> &'static str {
    match (stored.format.as_str(), stored.encoding.as_str()) {
        ("cyclonedx", "xml") => "application/vnd.cyclonedx+xml",
        ("cyclonedx", _) => "application/vnd.cyclonedx+json",
        (_, "tag-value") => "text/spdx",
        _ => "application/spdx+json",
    }
}

fn parsed(digest: &str) -> Result<Digest> {
    digest.parse().map_err(|_| {
        Error::new(Code::InvalidArgument, "A digest is sha256: and 64 digits of lower-case hex.")
            .with("field", "digest")
    })
}

/// The row that a page begins behind.
fn row(after: Option<&str>) -> Result<i64> {
    let row = after.filter(|after| !after.is_empty()).map_or(Ok(0), str::parse::<i64>);
    row.ok()
        .filter(|row| *row >= 0)
        .ok_or_else(|| Error::new(Code::InvalidArgument, "after: not a `next` of this list").with("field", "after"))
}
