//! `/artifacts/attestations/{digest}`: one thing that is attached to an artifact: read, and removed.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use utoipa::IntoParams;
use zas_policy::Action;

use super::artifact::{self, WhichArtifact, artifact_name, asks_in_handler, check_bytes, check_carrier, to_read};
use crate::admin::text::text;
use crate::admin::{Permitted, Refusal};
use crate::app::App;
use crate::authz::Permit;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::supply_chain::artifact::{Artifact, ArtifactRef};
use crate::supply_chain::attach::detach;
use crate::supply_chain::collect::{Document, Listed, WhyLeftOut, find, read};
use crate::supply_chain::referrer::Kind;

asks_in_handler! {
    /// Asks for something that is attached. To which artifact stands in the query.
    GetAttachedDocument;
    /// Asks to remove it.
    DeleteAttachedDocument;
}

/// What the predicate of the statement in a document says to be.
const PREDICATE_TYPE: HeaderName = HeaderName::from_static("x-zas-predicate-type");

/// Of which artifact.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichDocument {
    /// The artifact: `s3://bucket/key`, `oci://repository:tag` or `oci://repository@sha256:…`.
    #[serde(deserialize_with = "text::<_, 2048>")]
    #[param(schema_with = artifact_name, required = true)]
    artifact: String,
    /// Which of its documents, from 0 on, where it holds several.
    layer: Option<u32>,
}

/// Get something that is attached to an artifact: a bundle, an envelope, a document, as it is.
///
/// Needs the right to read what it is: `supply:GetSignature`, `supply:GetSBOM` or `supply:GetAttestation` on the artifact. Nothing is verified.
#[utoipa::path(get, path = "/artifacts/attestations/{digest}", tag = "artifacts",
    params(("digest" = String, Path, description = "The digest of its manifest, as the list has it."), WhichDocument),
    responses((status = 200, description = "Its bytes, under their own media type.", body = Vec<u8>, content_type = "*/*",
            headers(("X-Zas-Predicate-Type" = String, description = "What the statement in it says to be."))),
        (status = 404, description = "There is no such artifact, or nothing of this digest is attached to it."),
        (status = 503, description = "A part of the service is not available; or the object came in parts and is being read.")))]
pub(super) async fn get_attestation(
    State(app): State<Arc<App>>,
    permitted: Permitted<GetAttachedDocument>,
    Path(digest): Path<String>,
    which: Result<Query<WhichDocument>, QueryRejection>,
) -> Result<impl IntoResponse, Refusal> {
    let Query(which) = which?;
    let (name, digest) = (artifact::name(&which.artifact)?, parsed(&digest)?);
    let (permit, found, listed) = looked_up(&app, &permitted.permit, &name, &digest, to_read).await?;
    permitted.reads(&permit, Some(found.digest));
    check_carrier(&app, &permit, &found, &listed.digest).await?;
    let document = one_of(&app, &found, listed, which.layer).await?;
    check_bytes(&app, &permit, &found, &document.digest).await?;
    let media_type = HeaderValue::try_from(document.media_type.as_str());
    let media_type = media_type.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let mut headers = http::HeaderMap::from_iter([(header::CONTENT_TYPE, media_type)]);
    // Somebody else has written it: no browser is to guess what it is.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    if let Some(Ok(kind)) = document.said_predicate_type().map(HeaderValue::try_from) {
        headers.insert(PREDICATE_TYPE, kind);
    }
    Ok((headers, document.bytes().to_vec()))
}

/// Remove something that is attached to an artifact.
///
/// Needs the right to remove what it is: `supply:DeleteSignature`, `supply:DeleteSBOM`, `supply:DeleteAttestation` or `supply:Detach` on the artifact.
#[utoipa::path(delete, path = "/artifacts/attestations/{digest}", tag = "artifacts",
    params(("digest" = String, Path, description = "The digest of its manifest, as the list has it."), WhichArtifact),
    responses((status = 204, description = "It is gone."),
        (status = 404, description = "There is no such artifact, or nothing of this digest is attached to it."),
        (status = 503, description = "A part of the service is not available; or the object came in parts and is being read.")))]
pub(super) async fn delete_attestation(
    State(app): State<Arc<App>>,
    permitted: Permitted<DeleteAttachedDocument>,
    Path(digest): Path<String>,
    which: Result<Query<WhichArtifact>, QueryRejection>,
) -> Result<StatusCode, Refusal> {
    let Query(which) = which?;
    let (name, digest) = (artifact::name(&which.artifact)?, parsed(&digest)?);
    let (permit, found, listed) = looked_up(&app, &permitted.permit, &name, &digest, |kind, _| kind.detach()).await?;
    detach(&app, &permit, &found, &listed).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Finds what is attached, for whoever has the right that `action` says to all kinds that it is. Whoever has none of these rights to the
/// artifact is refused before anything is looked up.
async fn looked_up(
    app: &App,
    known: &Permit,
    name: &ArtifactRef,
    digest: &Digest,
    action: fn(Kind, &ArtifactRef) -> Action,
) -> Result<(Permit, Artifact, Listed)> {
    let (caller, resource) = (known.caller(), name.resource());
    let may = |kind: &Kind| app.authority.may(caller, action(*kind, name), &resource);
    let first = Kind::ALL.into_iter().find(may).unwrap_or(Kind::Attestation);
    let permit = app.authority.authorize(caller, action(first, name), resource.clone()).await?;
    let found = artifact::look_up(app, permit, name).await?;
    let listed = find(app, &found.artifact, digest).await?;
    let listed =
        listed.ok_or_else(|| Error::new(Code::NoSuchEntity, "Nothing of this digest is attached to the artifact."))?;
    let mut permit = found.permit;
    for kind in &listed.kinds {
        permit = app.authority.authorize(caller, action(*kind, name), resource.clone()).await?;
    }
    Ok((permit, found.artifact, listed))
}

/// One of the documents in it.
async fn one_of(app: &App, artifact: &Artifact, listed: Listed, layer: Option<u32>) -> Result<Document> {
    let collected = read(app, artifact, listed).await?;
    if let Some(left) = collected.left_out.first() {
        return Err(match left.why {
            WhyLeftOut::TooLate => Code::UpstreamUnavailable.into(),
            WhyLeftOut::TooMuch | WhyLeftOut::TooLarge => {
                Error::new(Code::InvalidRequest, "It is larger than what is read here: pull it from the registry.")
            }
            WhyLeftOut::Unreadable => {
                Error::new(Code::InvalidRequest, "It is no manifest with documents in it: pull it from the registry.")
            }
        });
    }
    let many = collected.documents.len();
    let at = match layer {
        Some(at) => usize::try_from(at).unwrap_or(usize::MAX),
        None if many == 1 => 0,
        None => {
            let text = format!("It holds {many} documents: say which one by layer, from 0 on.");
            return Err(Error::new(Code::InvalidArgument, text).with("field", "layer"));
        }
    };
    let found = collected.documents.into_iter().nth(at);
    found.ok_or_else(|| Error::new(Code::NoSuchEntity, format!("It holds {many} documents.")))
}

fn parsed(digest: &str) -> Result<Digest> {
    digest.parse().map_err(|_| {
        Error::new(Code::InvalidArgument, "A digest is sha256: and 64 digits of lower-case hex.")
            .with("field", "digest")
    })
}
