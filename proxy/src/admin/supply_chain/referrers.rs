//! `GET /artifacts/referrers`: what is attached to an artifact.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use zas_policy::Action;

use super::artifact::{self, artifact_name, asks_in_handler, to_read};
use super::sign::FoundArtifact;
use crate::admin::page::bounded;
use crate::admin::text::{optional_text, text};
use crate::admin::{Permitted, Refusal};
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Error, Result};
use crate::index::cut;
use crate::supply_chain::artifact::ArtifactRef;
use crate::supply_chain::collect::{Listed, WhyLeftOut, list};
use crate::supply_chain::referrer::Kind;

asks_in_handler! {
    /// Asks for what is attached to an artifact. Which one stands in the query.
    ListReferrers;
}

/// What something that is attached is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ReferrerKind {
    /// That somebody stands for the artifact.
    Signature,
    /// What is in it.
    Sbom,
    /// What somebody says of it besides.
    Attestation,
    /// Anything else.
    Other,
}

impl From<Kind> for ReferrerKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Signature => Self::Signature,
            Kind::Sbom => Self::Sbom,
            Kind::Attestation => Self::Attestation,
            Kind::Other => Self::Other,
        }
    }
}

impl From<ReferrerKind> for Kind {
    fn from(kind: ReferrerKind) -> Self {
        match kind {
            ReferrerKind::Signature => Self::Signature,
            ReferrerKind::Sbom => Self::Sbom,
            ReferrerKind::Attestation => Self::Attestation,
            ReferrerKind::Other => Self::Other,
        }
    }
}

/// Of which artifact, and which part.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ReferrerQuery {
    /// The artifact: `s3://bucket/key`, `oci://repository:tag` or `oci://repository@sha256:…`.
    #[serde(deserialize_with = "text::<_, 2048>")]
    #[param(schema_with = artifact_name, required = true)]
    artifact: String,
    /// Only what is of this kind.
    #[param(inline)]
    kind: Option<ReferrerKind>,
    /// Only what says to hold a statement with such a predicate.
    #[serde(default, alias = "predicateType", deserialize_with = "optional_text::<_, 2048>")]
    #[param(max_length = 2048, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    predicate_type: Option<String>,
    /// How many, from 1 to 1000; 100 where it is not said.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[serde(default, deserialize_with = "optional_text::<_, 128>")]
    #[param(max_length = 128, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    after: Option<String>,
}

/// Something that is attached.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Referrer {
    /// The digest of its manifest.
    digest: String,
    /// The size of its manifest in bytes.
    size: u64,
    /// What it is; several, where it is several things.
    kinds: Vec<ReferrerKind>,
    /// The type of the artifact that it is.
    artifact_type: Option<String>,
    /// The predicate type that it says to hold.
    predicate_type: Option<String>,
    /// The tag that finds it, where no list of referrers does.
    tag: Option<String>,
    /// What it is about: the artifact; of what buildx puts into an index, one of its images.
    subject: String,
    /// Its annotations.
    annotations: BTreeMap<String, String>,
}

impl From<Listed> for Referrer {
    fn from(listed: Listed) -> Self {
        Self {
            digest: listed.digest.to_string(),
            size: listed.size,
            kinds: listed.kinds.iter().copied().map(ReferrerKind::from).collect(),
            predicate_type: listed.predicate_type().map(str::to_owned),
            artifact_type: listed.artifact_type,
            tag: listed.tag,
            subject: listed.subject.to_string(),
            annotations: listed.annotations,
        }
    }
}

/// What is attached to an artifact, in the order in which it came.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Referrers {
    /// The artifact.
    artifact: FoundArtifact,
    /// What is attached, of the kinds that the caller may read.
    referrers: Vec<Referrer>,
    /// `after` of the next page; null on the last.
    next: Option<String>,
    /// Whether there is more than what is looked at of one artifact.
    truncated: bool,
}

/// List what is attached to an artifact: signatures, SBOMs, attestations.
///
/// Needs `supply:GetSignature`, `supply:GetSBOM` or `supply:GetAttestation` on the artifact; what is of another kind is shown to whoever may read the artifact
/// itself. Nothing is verified.
#[utoipa::path(get, path = "/artifacts/referrers", tag = "artifacts", params(ReferrerQuery),
    responses((status = 200, body = Referrers), (status = 404, description = "There is no such artifact."),
        (status = 503, description = "A part of the service is not available; or the object came in parts and is being read.")))]
pub(super) async fn list_referrers(
    State(app): State<Arc<App>>,
    permitted: Permitted<ListReferrers>,
    query: Result<Query<ReferrerQuery>, QueryRejection>,
) -> Result<Json<Referrers>, Refusal> {
    let Query(query) = query?;
    let (name, limit) = (artifact::name(&query.artifact)?, bounded(query.limit)?);
    let (kinds, permit) = readable(&app, &permitted.permit, &name, query.kind.map(Kind::from)).await?;
    let found = artifact::look_up(&app, permit, &name).await?;
    permitted.reads(&found.permit, Some(found.artifact.digest));
    let (listed, left_out) = list(&app, &found.artifact).await?;
    let is_wanted = |listed: &Listed| {
        listed.kinds.iter().any(|kind| query.kind.is_none_or(|wanted| Kind::from(wanted) == *kind))
            && listed.kinds.iter().all(|kind| kinds.contains(kind))
            && query.predicate_type.as_deref().is_none_or(|wanted| listed.predicate_type() == Some(wanted))
    };
    let behind = behind(listed, query.after.as_deref().unwrap_or_default())?;
    let (page, more) = cut(behind.into_iter().filter(is_wanted).collect(), limit);
    let next = page.last().filter(|_| more).map(|last| last.digest.to_string());
    Ok(Json(Referrers {
        artifact: FoundArtifact::from(&found.artifact),
        referrers: page.into_iter().map(Referrer::from).collect(),
        next,
        truncated: left_out.iter().any(|left| left.why == WhyLeftOut::TooMuch),
    }))
}

/// The kinds that the caller may read, and the right to one of them; with `wanted`, of that kind.
async fn readable(app: &App, known: &Permit, name: &ArtifactRef, wanted: Option<Kind>) -> Result<(Vec<Kind>, Permit)> {
    let (caller, resource) = (known.caller(), name.resource());
    let may = |kind: &Kind| app.authority.may(caller, to_read(*kind, name), &resource);
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(may).collect();
    // With none, the refusal is that of signatures.
    let asked = wanted.or_else(|| kinds.first().copied());
    let action = asked.map_or(Action::GetSignature, |kind| to_read(kind, name));
    let permit = app.authority.authorize(caller, action, resource).await?;
    Ok((kinds, permit))
}

/// What comes behind the one that a page ended with.
fn behind(listed: Vec<Listed>, after: &str) -> Result<Vec<Listed>> {
    if after.is_empty() {
        return Ok(listed);
    }
    let wrong = |text: &'static str| Error::new(Code::InvalidArgument, text).with("field", "after");
    let last = after.parse().map_err(|_| wrong("after must be next of the page before."))?;
    let at = listed.iter().position(|listed| listed.digest == last);
    let at = at.ok_or_else(|| wrong("What the page before ended with is gone: begin anew."))?;
    Ok(listed.into_iter().skip(at + 1).collect())
}
