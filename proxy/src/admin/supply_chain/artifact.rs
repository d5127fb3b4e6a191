//! Artifacts in requests: by what name, with which right.

use serde::Deserialize;
use utoipa::IntoParams;
use utoipa::openapi::Schema;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use zas_policy::{Action, Resource};

use crate::admin::text::text;
use crate::app::App;
use crate::authz::Permit;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::supply_chain::artifact::{Artifact, ArtifactRef, Home, resolve};
use crate::supply_chain::evidence;
use crate::supply_chain::keys::ActiveKey;
use crate::supply_chain::referrer;

/// The schema of an artifact's name.
pub(super) fn artifact_name() -> Schema {
    // Of what the name of a repository may be the usual part, so that what is made from it names one.
    let pattern = r"^(s3://[a-z0-9]{3,63}/[^\x00-\x1f\x7f-\x9f]{1,250}|oci://[a-z0-9]+(/[a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9._-]*|@sha256:[0-9a-f]{64}))$";
    ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(500))
        .pattern(Some(pattern))
        .examples(["s3://releases/linux/amd64/app-1.2.tgz"])
        .into()
}

/// Of which artifact.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichArtifact {
    /// The artifact: `s3://bucket/key`, `oci://repository:tag` or `oci://repository@sha256:…`.
    #[serde(deserialize_with = "text::<_, 2048>")]
    #[param(schema_with = artifact_name, required = true)]
    pub(super) artifact: String,
}

/// Operations on an artifact that the body or the query names: the handler asks the policy, and says what is read.
macro_rules! asks_in_handler {
    ($($(#[doc = $doc:literal])+ $name:ident;)+) => {
        $($(#[doc = $doc])+
        pub(super) struct $name;

        impl $crate::admin::Asks for $name {
            const NAME: &'static str = stringify!($name);
            const ACTION: Option<zas_policy::Action> = None;
            const RECORDED: bool = false;
        })+
    };
}
pub(super) use asks_in_handler;

/// An artifact, and the right to do something to it.
pub(super) struct Found {
    pub(super) permit: Permit,
    pub(super) artifact: Artifact,
}

/// The name of an artifact.
pub(super) fn name(text: &str) -> Result<ArtifactRef> {
    text.parse::<ArtifactRef>().map_err(Error::from)
}

/// Asks for the right to use a key; before the artifact is looked at, so that who may not learns nothing of it.
pub(super) async fn use_key(app: &App, permit: &Permit, key: &str) -> Result<()> {
    let resource = Resource::managed("signing-key", key);
    app.authority.authorize(permit.caller(), Action::UseSigningKey, resource).await.map(drop)
}

/// A key that was asked for.
pub(super) async fn key(app: &App, name: &str) -> Result<std::sync::Arc<ActiveKey>> {
    app.signing_keys()?.active(name).await.map_err(|error| error.with("field", "key"))
}

/// Looks an artifact up, for whoever may do something to it.
pub(super) async fn look_up(app: &App, permit: Permit, name: &ArtifactRef) -> Result<Found> {
    let artifact = resolve(app, &permit, name).await?;
    Ok(Found { permit, artifact })
}

/// The right to read what is of a kind, of an artifact.
pub(super) const fn to_read(kind: referrer::Kind, name: &ArtifactRef) -> Action {
    match (kind, name) {
        (referrer::Kind::Signature, _) => Action::GetSignature,
        (referrer::Kind::Sbom, _) => Action::GetSbom,
        (referrer::Kind::Attestation, _) => Action::GetAttestation,
        // What has no right of its own needs that to read the artifact.
        (referrer::Kind::Other, ArtifactRef::Object { .. }) => Action::GetObject,
        (referrer::Kind::Other, ArtifactRef::Manifest { .. }) => Action::Pull,
    }
}

/// Refuses what is no evidence though it is attached to a manifest, or an index says so, where rules about artifacts keep it from whoever asks.
/// What refers to an object is no artifact by itself.
pub(super) async fn check_carrier(app: &App, permit: &Permit, artifact: &Artifact, carrier: &Digest) -> Result<()> {
    match &artifact.home {
        Home::Bucket { .. } => Ok(()),
        Home::Repository(name) => evidence::check_carrier(app, permit.caller(), name, carrier).await,
    }
}

/// Refuses bytes that are those of an object which rules about artifacts keep from whoever asks, though they are attached to an artifact.
pub(super) async fn check_bytes(app: &App, permit: &Permit, artifact: &Artifact, digest: &Digest) -> Result<()> {
    match &artifact.home {
        Home::Bucket { bucket, .. } => evidence::check_bytes(app, permit.caller(), bucket, digest).await,
        Home::Repository(_) => Ok(()),
    }
}
