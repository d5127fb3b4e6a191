//! Bytes of objects that something else names too: a layer of what refers to an object may be the bytes of an object. What is said of an
//! artifact is read whatever is known of it, and must not be a way around the rules about these bytes.

use zas_policy::{Action, Resource};

use super::KnownArtifact;
use crate::app::App;
use crate::authz::Caller;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::index::{SbomScope, ScopeKind};

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
