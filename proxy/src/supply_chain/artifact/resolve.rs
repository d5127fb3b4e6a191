//! Looking an artifact up: an object in the index, a manifest at the registry.

use super::{Artifact, ArtifactRef};
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Error, Result};

/// What a name stands for now. The permit must be for what it names ([`ArtifactRef::resource`]); which right it is, is the caller's
/// concern. An object that came in parts is read to its end first, and waited for as long as a client of the registry waits.
///
/// # Errors
/// `NoSuchBucket`, `NoSuchKey`, `NoSuchVersion`, `NameUnknown`, `ManifestUnknown`; `DigestPending` where an object is being read.
pub async fn resolve(app: &App, permit: &Permit, reference: &ArtifactRef) -> Result<Artifact> {
    let _ = (app, permit, reference);
    Err(Error::internal("not written yet"))
}
