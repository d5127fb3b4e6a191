//! Pulling a manifest where policies ask what is known of it: the tag is made the digest that was looked at, so that what the registry
//! sends is what was permitted.
//!
//! Signatures, attestations and bills of materials are pulled whatever is known of them, by their digest or by the tags that clients look
//! for them under: for else nobody could sign what is not signed. Under any other tag they are an artifact like another.

use std::sync::OnceLock;

use zas_policy::{Action, Resource};

use super::name::{ContentDigest, Name, Reference};
use super::path::Route;
use crate::app::App;
use crate::authz::{Artifact, Caller, Gated, LookUp, Permit};
use crate::digest::Digest;
use crate::error::{Code, Result};
use crate::index::{PassedPolicies, SbomScope, ScopeKind};
use crate::supply_chain::evidence::KnownArtifact;
use crate::supply_chain::facts::Facts;
use crate::supply_chain::referrer::ReferrerTag;

/// A manifest that somebody wants to pull.
pub(super) struct Pulled<'a> {
    app: &'a App,
    name: &'a Name,
    reference: &'a Reference,
    found: OnceLock<Option<Manifest>>,
}

/// What a reference stands for.
#[derive(Debug, Clone, Copy)]
struct Manifest {
    digest: Digest,
    is_index: bool,
}

impl<'a> Pulled<'a> {
    pub(super) const fn new(app: &'a App, name: &'a Name, reference: &'a Reference) -> Self {
        Self { app, name, reference, found: OnceLock::new() }
    }

    /// The right to pull it, and where to: the same route where no policy has asked, and otherwise that of its digest.
    ///
    /// # Errors
    /// Those of [`Authority::authorize_artifact`](crate::authz::Authority::authorize_artifact); `ManifestUnknown` where it is not there.
    pub(super) async fn authorize(&self, caller: &Caller) -> Result<(Permit, Option<Route>)> {
        let resource = Resource::repository(self.name.as_str());
        let permit = self.app.authority.authorize_artifact(caller, Action::Pull, resource, self).await?;
        let digest = match (permit.gated(), self.found.get().copied().flatten()) {
            (Gated::No, _) => return Ok((permit, None)),
            (Gated::For(digest), _) => digest,
            (Gated::ForNone, Some(manifest)) => manifest.digest,
            // It may come any moment, and nobody would have looked at it.
            (Gated::ForNone, None) => return Err(Code::ManifestUnknown.into()),
        };
        let digest = ContentDigest::parse(&digest.to_string()).ok_or(Code::ManifestUnknown)?;
        Ok((permit, Some(Route::Manifest { name: self.name.clone(), reference: Reference::Digest(digest) })))
    }

    /// What it is, as the registry has it now; asked once a request, and not for its bytes: those are pulled by the digest that it says.
    async fn manifest(&self) -> Result<Option<Manifest>> {
        if let Some(known) = self.found.get() {
            return Ok(*known);
        }
        let found = match self.reference {
            // What is not a SHA-256 nobody has looked at, and nothing can be known of.
            Reference::Digest(digest) => {
                digest.as_str().parse().ok().map(|digest| Manifest { digest, is_index: false })
            }
            Reference::Tag(tag) => self.app.store.head_manifest(self.name.as_str(), tag).await?.map(|manifest| {
                let is_index =
                    manifest.media_type.contains("image.index") || manifest.media_type.contains("manifest.list");
                Manifest { digest: manifest.digest, is_index }
            }),
        };
        Ok(*self.found.get_or_init(|| found))
    }

    fn scope(&self) -> SbomScope {
        SbomScope { kind: ScopeKind::Repository, name: self.name.as_str().to_owned() }
    }

    /// Whether it is asked for as clients ask for what refers to something.
    fn is_looked_for(&self) -> bool {
        match self.reference {
            Reference::Digest(_) => true,
            Reference::Tag(tag) => matches!(ReferrerTag::parse(tag), Some(ReferrerTag::One { .. })),
        }
    }

    /// The list of referrers that clients keep: it is an index that nobody runs.
    fn is_list(&self, manifest: Manifest) -> bool {
        let Reference::Tag(tag) = self.reference else { return false };
        manifest.is_index && matches!(ReferrerTag::parse(tag), Some(ReferrerTag::List(_)))
    }
}

impl Artifact for Pulled<'_> {
    async fn facts(&self, look: LookUp) -> Result<Option<(Digest, Facts)>> {
        let Some(manifest) = self.manifest().await? else { return Ok(None) };
        if self.is_list(manifest) {
            return Ok(None);
        }
        let scope = self.scope();
        let artifact = KnownArtifact { app: self.app, scope: &scope, key: "", digest: manifest.digest };
        let known = artifact.facts(look).await?;
        let is_evidence = known.as_ref().is_some_and(|(_, facts)| facts.is_evidence);
        Ok(known.filter(|_| !(is_evidence && self.is_looked_for())))
    }

    async fn passed(&self, digest: &Digest) -> Result<PassedPolicies> {
        KnownArtifact { app: self.app, scope: &self.scope(), key: "", digest: *digest }.passed(digest).await
    }
}
