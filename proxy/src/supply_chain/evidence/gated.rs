//! Artifacts as rules about them ask: an object by its key, and whatever has a digest.

use time::OffsetDateTime;

use super::EvidenceIndex;
use crate::app::App;
use crate::authz::{Artifact, LookUp};
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::index::{PassedPolicies, SbomScope, ScopeKind};
use crate::supply_chain::facts::Facts;

/// How often an object is looked at whose digest has to be found first: it may be replaced meanwhile.
const ATTEMPTS: u32 = 3;

/// An object by its key.
pub struct KeyedObject<'a> {
    /// Everything that requests share.
    pub app: &'a App,
    /// The bucket.
    pub bucket: &'a str,
    /// The key.
    pub key: &'a str,
    /// Its version; none for the current one.
    pub version: Option<&'a str>,
}

/// The artifact of a digest.
pub struct KnownArtifact<'a> {
    /// Everything that requests share.
    pub app: &'a App,
    /// Where it is.
    pub scope: &'a SbomScope,
    /// The object's key, as whoever asks for it has named it; empty in a repository.
    pub key: &'a str,
    /// Digest of its manifest.
    pub digest: Digest,
}

impl Artifact for KeyedObject<'_> {
    async fn facts(&self, look: LookUp) -> Result<Option<(Digest, Facts)>> {
        let Some(digest) = self.digest(look).await? else { return Ok(None) };
        KnownArtifact { app: self.app, scope: &self.scope(), key: self.key, digest }.facts(look).await
    }

    async fn passed(&self, digest: &Digest) -> Result<PassedPolicies> {
        KnownArtifact { app: self.app, scope: &self.scope(), key: self.key, digest: *digest }.passed(digest).await
    }
}

impl KeyedObject<'_> {
    fn scope(&self) -> SbomScope {
        SbomScope { kind: ScopeKind::Bucket, name: self.bucket.to_owned() }
    }

    /// The digest of its manifest; none where there is no such object. One that came in parts is read to its end first, unless nobody waits
    /// for that.
    async fn digest(&self, look: LookUp) -> Result<Option<Digest>> {
        for _ in 0..ATTEMPTS {
            let object = match self.app.index.version(self.bucket, self.key, self.version).await {
                // Of a delete marker there is nothing to read.
                Err(error) if error.code().is_nothing_there() || error.code() == Code::MethodNotAllowed => {
                    return Ok(None);
                }
                object => object?,
            };
            match object.oci_digest {
                Some(digest) => return Ok(Some(digest)),
                None if look == LookUp::Passive => return Err(Code::DigestPending.into()),
                None => self.app.digester.find(object.head.id).await?,
            }
        }
        Err(Error::from(Code::DigestPending).detail("the object was replaced each time its digest was found"))
    }
}

impl Artifact for KnownArtifact<'_> {
    async fn facts(&self, look: LookUp) -> Result<Option<(Digest, Facts)>> {
        let evidence: &EvidenceIndex = &self.app.evidence;
        let facts = match look {
            LookUp::Passive => evidence.facts_in_passing(self.app, self.scope, &self.digest).await?,
            LookUp::Known => evidence.facts(self.app, self.scope, &self.digest).await?,
            LookUp::Fresh => evidence.fresh_facts(self.app, self.scope, &self.digest).await?,
        };
        Ok(Some((self.digest, facts)))
    }

    async fn passed(&self, digest: &Digest) -> Result<PassedPolicies> {
        let as_of = self.app.evidence.as_of(OffsetDateTime::now_utc());
        self.app.index.passed_policies(self.scope, self.key, digest, as_of).await
    }
}
