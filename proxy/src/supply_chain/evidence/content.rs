//! Bytes that rules about artifacts keep back, and something else names too: a layer of what refers to an object may be the bytes of an
//! object, and an index may say of an image that it is an attestation. What is said of an artifact is read whatever is known of it, and must
//! not be a way around the rules about these bytes.

use zas_policy::{Action, Resource};

use super::KnownArtifact;
use crate::app::App;
use crate::authz::Caller;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::index::{SbomScope, ScopeKind};
use crate::supply_chain::referrer::is_evidence;

/// Keys that are looked at for one digest.
const KEYS: u32 = 1000;

/// Objects of which it is asked what is known.
const OBJECTS: usize = 16;

/// Refuses bytes that are those of objects of the bucket which rules about artifacts keep from the caller, however they are come by. One
/// such object that may be read is enough. Where no rule about artifacts is about any of them, nothing is refused: whoever asks has a right
/// to what names them.
///
/// # Errors
/// `GateNotMet`, and those of [`Authority::authorize_artifact`](crate::authz::Authority::authorize_artifact); `IndexUnavailable`.
pub async fn check_bytes(app: &App, caller: &Caller, bucket: &str, digest: &Digest) -> Result<()> {
    let found = app.index.content_keys(bucket, "", digest, KEYS).await?;
    let object = |key: &str| Resource::object(bucket, key);
    if found.keys.iter().any(|key| app.authority.may(caller, Action::GetObject, &object(key))) {
        return Ok(());
    }
    let scope = SbomScope { kind: ScopeKind::Bucket, name: bucket.to_owned() };
    let depends = |key: &str| app.authority.depends(caller, Action::GetObject, &object(key));
    let kept = found.keys.iter().zip(&found.digests).filter(|(key, _)| depends(key));
    let mut refused: Option<Error> = None;
    for (key, manifest) in kept.take(OBJECTS) {
        let digest = manifest.ok_or(Code::DigestPending)?;
        let artifact = KnownArtifact { app, scope: &scope, key, digest };
        match app.authority.authorize_artifact(caller, Action::GetObject, object(key), &artifact).await {
            Ok(_) => return Ok(()),
            Err(error) if matches!(error.code(), Code::GateNotMet | Code::AccessDenied) => {
                refused = refused.or(Some(error));
            }
            Err(error) => return Err(error),
        }
    }
    refused.map_or(Ok(()), Err)
}

/// Refuses what a manifest of a repository holds, whatever says that it is attached to an artifact, unless it is evidence by what it holds, or
/// whoever asks may pull it like any other.
///
/// # Errors
/// `GateNotMet`, and those of [`Authority::authorize_artifact`](crate::authz::Authority::authorize_artifact); `ManifestUnknown`;
/// `UpstreamUnavailable`.
pub async fn check_carrier(app: &App, caller: &Caller, repository: &str, carrier: &Digest) -> Result<()> {
    let manifest = app.store.get_manifest(repository, &carrier.to_string()).await?;
    if is_evidence(&manifest.ok_or(Code::ManifestUnknown)?.bytes) {
        return Ok(());
    }
    let scope = SbomScope { kind: ScopeKind::Repository, name: repository.to_owned() };
    let artifact = KnownArtifact { app, scope: &scope, key: "", digest: *carrier };
    let pulling = app.authority.authorize_artifact(caller, Action::Pull, Resource::repository(repository), &artifact);
    pulling.await.map(drop)
}
