//! `POST /artifacts/sign`: an artifact is signed with a key of this service.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zas_policy::Action;

use super::artifact::{self, artifact_name, asks_in_handler};
use super::attest::DocumentForm;
use crate::admin::answer::Answer;
use crate::admin::idempotency::Posted;
use crate::admin::{Permitted, Refusal};
use crate::app::App;
use crate::error::{Code, Error, Result};
use crate::supply_chain::artifact::Artifact;
use crate::supply_chain::keys::ActiveKey;
use crate::supply_chain::signing::{Form, Made, SignOptions, sign};

/// Annotations of one signature, and bytes of all of them.
const ANNOTATIONS: usize = 64;
const ANNOTATION_BYTES: usize = 16 * 1024;

asks_in_handler! {
    /// Asks to have an artifact signed. Which one and with which key stands in the body.
    SignArtifact;
}

/// What is to be signed, with what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"artifact": "s3://releases/linux/amd64/app-1.2.tgz", "key": "release"}))]
pub(super) struct SignRequest {
    /// The artifact: `s3://bucket/key`, `oci://repository:tag` or `oci://repository@sha256:…`.
    #[schema(schema_with = artifact_name)]
    artifact: String,
    /// The name of a signing key for releases.
    #[schema(example = "release", max_length = 128, pattern = r"^[a-z0-9]([a-z0-9._-]{0,126}[a-z0-9])?$")]
    key: String,
    /// Whether clients before cosign 3 shall find a signature too. It names the registry, so that it needs `listen.external_url`.
    #[serde(default)]
    legacy: bool,
    /// In which form it is signed. Unset: `bundle`, or `legacy` where the artifact has only older ones, which a bundle would hide
    /// from cosign.
    #[serde(default)]
    form: Option<DocumentForm>,
    /// What is signed besides, as `cosign sign -a`.
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// An artifact as it was found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FoundArtifact {
    /// Its name for good: with its digest, where it is a manifest.
    #[schema(example = "s3://releases/linux/amd64/app-1.2.tgz")]
    name: String,
    /// The digest of its manifest.
    digest: String,
    /// The media type of its manifest.
    media_type: String,
    /// SHA-256 of the object's bytes, where it is one.
    object_digest: Option<String>,
}

impl From<&Artifact> for FoundArtifact {
    fn from(artifact: &Artifact) -> Self {
        Self {
            name: artifact.uri(),
            digest: artifact.digest.to_string(),
            media_type: artifact.media_type.clone(),
            object_digest: artifact.object.as_ref().map(|object| object.digest.to_string()),
        }
    }
}

/// Something that was made and attached.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MadeDocument {
    /// The digest of its manifest.
    digest: String,
    /// `bundle`, as cosign 3 has it; or `legacy`, under a tag.
    form: &'static str,
    /// The tag, where it is found by one.
    tag: Option<String>,
}

impl From<Made> for MadeDocument {
    fn from(made: Made) -> Self {
        Self { digest: made.digest.to_string(), form: made.form.as_str(), tag: made.tag }
    }
}

/// The key that has signed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UsedKey {
    /// The name.
    name: String,
    /// Which key of this name it is.
    generation: i32,
    /// SHA-256 of the public key in DER.
    fingerprint: String,
}

impl From<&ActiveKey> for UsedKey {
    fn from(key: &ActiveKey) -> Self {
        let fingerprint = key.public_key().fingerprint().hex();
        Self { name: key.name().to_owned(), generation: key.generation(), fingerprint }
    }
}

/// What was signed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SignedArtifact {
    /// The artifact.
    artifact: FoundArtifact,
    /// The signatures that were made.
    signatures: Vec<MadeDocument>,
    /// The key that has signed.
    key: UsedKey,
}

/// Sign an artifact: an S3 object or a manifest of the registry.
///
/// Needs `supply:Sign` on the artifact and `supply:UseSigningKey` on the key. What is written, stock `cosign verify` reads.
#[utoipa::path(post, path = "/artifacts/sign", tag = "artifacts", request_body = SignRequest,
    responses((status = 201, body = SignedArtifact),
        (status = 404, description = "There is no such artifact, or no such key."),
        (status = 501, description = "No key ring is configured: there are no signing keys."),
        (status = 503, description = "A part of the service is not available; or the object came in parts and is being read.")))]
pub(super) async fn sign_artifact(
    State(app): State<Arc<App>>,
    permitted: Permitted<SignArtifact>,
    Posted { body: request, once }: Posted<SignRequest>,
) -> Result<Answer, Refusal> {
    let name = artifact::name(&request.artifact)?;
    check_annotations(&request.annotations)?;
    let permit = app.authority.authorize(permitted.permit.caller(), Action::Sign, name.resource()).await?;
    artifact::use_key(&app, &permit, &request.key).await?;
    let host = app.config.listen.external_host();
    let work = async || {
        let key = artifact::key(&app, &request.key).await?;
        let found = artifact::look_up(&app, permit.clone(), &name).await?;
        let (legacy, form, annotations) = (request.legacy, request.form.map(Form::from), request.annotations);
        let options = SignOptions { legacy, form, annotations, host: host.as_deref(), note: None };
        let made = sign(&app, &found.permit, &found.artifact, &key, options).await?;
        let signed = SignedArtifact {
            artifact: FoundArtifact::from(&found.artifact),
            signatures: made.into_iter().map(MadeDocument::from).collect(),
            key: UsedKey::from(&*key),
        };
        Answer::json(StatusCode::CREATED, &signed)
    };
    once.carry_out_elsewhere(&app, &permit, work).await
}

fn check_annotations(annotations: &BTreeMap<String, String>) -> Result<()> {
    let bytes: usize = annotations.iter().map(|(name, value)| name.len() + value.len()).sum();
    if annotations.len() <= ANNOTATIONS && bytes <= ANNOTATION_BYTES {
        return Ok(());
    }
    let text = "A signature has at most 64 annotations, of 16 KiB together.";
    Err(Error::new(Code::InvalidArgument, text).with("field", "annotations"))
}
