//! Signatures, SBOMs and the like that the index knows, at the registry.
//!
//! A row says from when its manifest is stored until it is condemned that it must be there; so a look at the registry counts where the
//! row says so before and after it.

use serde_json::json;

use super::asked::{Fault, Wanted};
use super::walk::{Found, Walk};
use super::{Context, Finding, Kind, Phase, Tally};
use crate::error::Result;
use crate::index::fsck::CheckedReferrer;

/// Blobs of one manifest that are asked for at once.
const BLOBS: u32 = 500;

impl Walk<'_> {
    pub(super) async fn referrers(&mut self) -> Result<()> {
        let context = self.context;
        loop {
            let page = context.index.fsck_referrers(self.place()?.unwrap_or(0), context.effort.page).await?;
            if page.is_empty() {
                return Ok(());
            }
            self.each(page, |referrer| json!(referrer.id), |referrer| context.referrer(referrer)).await?;
        }
    }
}

impl Context {
    async fn referrer(&self, referrer: CheckedReferrer) -> Result<Tally> {
        let mut found = Found::one(self, Phase::Referrers);
        if !referrer.must_be_stored {
            return Ok(found.tally);
        }
        if let Some(fault) = self.fault_of_manifest(&referrer).await?
            && self.index.fsck_must_be_stored(referrer.id).await?
        {
            found.report(&finding(&referrer, &fault).digest(&referrer.digest));
        }
        self.referrer_blobs(&referrer, &mut found).await?;
        Ok(found.tally)
    }

    /// Asked twice, for one answer may be a slip of the registry's.
    async fn fault_of_manifest(&self, referrer: &CheckedReferrer) -> Result<Option<Fault>> {
        let mut fault = None;
        for _ in 0..2 {
            fault = self.look_at_manifest(referrer).await?;
            if fault.is_none() {
                break;
            }
        }
        Ok(fault)
    }

    async fn look_at_manifest(&self, referrer: &CheckedReferrer) -> Result<Option<Fault>> {
        let (repository, reference) = (referrer.repository.as_str(), referrer.digest.to_string());
        let there = if self.options.reads(self.run, &referrer.digest) {
            // Compared with the digest by the store.
            let manifest = self.ask(async || self.store.get_manifest(repository, &reference).await).await?;
            manifest.map(|manifest| manifest.is_some())
        } else {
            let head = self.ask(async || self.store.head_manifest(repository, &reference).await).await?;
            head.map(|head| head.is_some())
        };
        Ok(match there {
            Ok(true) => None,
            Ok(false) => {
                let detail = "The registry does not have the manifest.".to_owned();
                Some(Fault { kind: Kind::MissingManifest, detail })
            }
            Err(error) => Some(Fault { kind: Kind::UnreadableManifest, detail: error.for_log() }),
        })
    }

    async fn referrer_blobs(&self, referrer: &CheckedReferrer, found: &mut Found<'_>) -> Result<()> {
        let mut after = None;
        loop {
            let blobs = self.index.fsck_referrer_blobs(referrer.id, after, BLOBS).await?;
            let Some((last, _)) = blobs.last() else { return Ok(()) };
            after = Some(*last);
            for (digest, size) in &blobs {
                let is_read = self.options.reads(self.run, digest);
                let wanted = Wanted { repository: &referrer.repository, digest, size: *size, is_read };
                if self.fault(wanted, &mut found.tally).await?.is_none() {
                    continue;
                }
                let Some(fault) = self.fault(wanted, &mut found.tally).await? else { continue };
                if !self.index.fsck_must_be_stored(referrer.id).await? {
                    return Ok(());
                }
                found.report(&finding(referrer, &fault).digest(digest));
            }
        }
    }
}

fn finding(referrer: &CheckedReferrer, fault: &Fault) -> Finding {
    let detail = format!("{} It belongs to what refers to {}.", fault.detail, referrer.subject);
    let finding = Finding::new(fault.kind, detail).at(&referrer.repository);
    match &referrer.bucket {
        Some(bucket) => finding.bucket(bucket),
        None => finding,
    }
}
