//! Manifests at the registry, in repositories of ours, that the index does not know.
//!
//! Repositories of bytes hold none. Those of what refers to a bucket's artifacts hold what rows name: a row is there before the
//! registry has the manifest and until it has it no more, so that one that no row names, before and after it was seen, is an
//! orphan. Registries list tags, and what refers to a subject; a manifest that is neither is not found.

use serde_json::json;

use super::blobs::repair_record;
use super::finding::Mended;
use super::walk::{Found, Walk};
use super::{Context, Finding, Kind, Phase, Repair, Tally};
use crate::digest::Digest;
use crate::error::{Code, Result};
use crate::index::fsck::{CheckedRepository, OrphanManifest};
use crate::store::Manifest;

/// Tags that are asked for at once.
const TAGS: u32 = 1000;

impl Walk<'_> {
    pub(super) async fn repositories(&mut self) -> Result<()> {
        let context = self.context;
        loop {
            let page = context.index.fsck_repositories(self.place()?.unwrap_or(0), context.effort.page).await?;
            if page.is_empty() {
                return Ok(());
            }
            self.each(page, |found| json!(found.repository.id), |found| context.repository(found)).await?;
        }
    }
}

impl Context {
    async fn repository(&self, checked: CheckedRepository) -> Result<Tally> {
        let mut found = Found::one(self, Phase::Repositories);
        if checked.repository.store != self.store.name() {
            found.tally.passed_over("repositories at a store that the configuration does not name");
            return Ok(found.tally);
        }
        self.manifests_among_bytes(&checked, &mut found).await?;
        // One repository a placement: looked at with the first of its others.
        if checked.shard == 0 {
            self.tagged_manifests(&checked, &mut found).await?;
            self.listed_manifests(&checked, &mut found).await?;
        }
        Ok(found.tally)
    }

    async fn manifests_among_bytes(&self, checked: &CheckedRepository, found: &mut Found<'_>) -> Result<()> {
        let repository = checked.repository.name.as_str();
        let mut last = String::new();
        while let Some(tags) = self.tags(repository, &last, found).await? {
            for tag in &tags {
                let detail = format!("It has the tag {}; repositories of bytes hold no manifests.", tag.escape_debug());
                found.report(&Finding::new(Kind::UnexpectedManifest, detail).at(repository));
            }
            last = tags.last().cloned().unwrap_or_default();
        }
        Ok(())
    }

    async fn tagged_manifests(&self, checked: &CheckedRepository, found: &mut Found<'_>) -> Result<()> {
        let repository = checked.referrers.as_str();
        let mut last = String::new();
        while let Some(tags) = self.tags(repository, &last, found).await? {
            for tag in tags.iter().filter(|tag| !is_list(tag)) {
                let head = self.ask(async || self.store.head_manifest(repository, tag).await).await?;
                if let Ok(Some(head)) = head {
                    self.manifest(checked, &head.digest, None, found).await?;
                }
            }
            last = tags.last().cloned().unwrap_or_default();
        }
        Ok(())
    }

    /// What the registry says refers to the subjects that the index knows.
    async fn listed_manifests(&self, checked: &CheckedRepository, found: &mut Found<'_>) -> Result<()> {
        let repository = checked.referrers.as_str();
        let mut after = None;
        while let Some(subject) = self.index.fsck_next_subject(repository, after).await? {
            after = Some(subject);
            let listed = self.ask(async || self.store.referrers(repository, &subject, None).await).await?;
            let Ok(listed) = listed else {
                found.tally.passed_over("lists of referrers that the registry does not give");
                continue;
            };
            for digest in listed.iter().filter_map(|descriptor| descriptor.digest.parse::<Digest>().ok()) {
                self.manifest(checked, &digest, Some(subject), found).await?;
            }
        }
        Ok(())
    }

    /// Tags behind one, `None` where there are none.
    async fn tags(&self, repository: &str, last: &str, found: &mut Found<'_>) -> Result<Option<Vec<String>>> {
        match self.ask(async || self.store.tags(repository, last, TAGS).await).await? {
            // A registry that pays no heed to where the page begins would have us go round for ever.
            Ok((tags, _)) if tags.last().is_none_or(|tag| tag == last) => Ok(None),
            Ok((tags, _)) => Ok(Some(tags)),
            Err(_) => {
                found.tally.passed_over("lists of tags that the registry does not give");
                Ok(None)
            }
        }
    }

    async fn manifest(
        &self,
        checked: &CheckedRepository,
        digest: &Digest,
        subject: Option<Digest>,
        found: &mut Found<'_>,
    ) -> Result<()> {
        let repository = checked.referrers.as_str();
        if self.index.fsck_knows_manifest(repository, digest).await? {
            return Ok(());
        }
        let reference = digest.to_string();
        let there = self.ask(async || self.store.get_manifest(repository, &reference).await).await?;
        let Ok(Some(manifest)) = there else { return Ok(()) };
        if self.index.fsck_knows_manifest(repository, digest).await? {
            return Ok(());
        }
        let mended = if self.repairs(Repair::Orphans) {
            let condemned = self.condemn(checked, &manifest, subject).await;
            match condemned {
                Ok(()) => Mended::Done("condemned: deleted by the next sweeps".to_owned()),
                Err(error) if error.code() == Code::OperationAborted => return Ok(()),
                Err(error) => return Err(error),
            }
        } else {
            Mended::Untried
        };
        let detail = match subject {
            Some(subject) => format!("No row names it; it refers to {subject}."),
            None => "No row names it; a tag does.".to_owned(),
        };
        found.report(&Finding::new(Kind::OrphanManifest, detail).at(repository).digest(digest).mended(mended));
        Ok(())
    }

    async fn condemn(&self, checked: &CheckedRepository, manifest: &Manifest, subject: Option<Digest>) -> Result<()> {
        let record = repair_record("CondemnManifest").reference(&checked.referrers).digest(manifest.digest);
        let orphan = OrphanManifest {
            repository: &checked.referrers,
            placement_id: checked.placement_id,
            digest: &manifest.digest,
            // One that is found by its tag alone names no subject: it is its own, which no artifact is.
            subject: subject.as_ref().unwrap_or(&manifest.digest),
            media_type: &manifest.media_type,
            size: manifest.bytes.len() as u64,
        };
        self.index.fsck_condemn(orphan, &[record]).await
    }
}

/// Whether a tag is that of a list of referrers, which is kept for registries that keep none (`store/referrers.rs`).
fn is_list(tag: &str) -> bool {
    tag.strip_prefix("sha256-").is_some_and(|hex| format!("sha256:{hex}").parse::<Digest>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_of_a_list_is_told_from_that_of_a_signature() {
        let digest = Digest::of(b"x");
        assert!(is_list(&format!("sha256-{}", digest.hex())));
        for other in [format!("sha256-{}.sig", digest.hex()), "sha256-".to_owned(), "v1".to_owned()] {
            assert!(!is_list(&other), "{other}");
        }
    }
}
