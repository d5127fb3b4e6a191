//! Blobs that the index knows, at the registry.
//!
//! A blob that something names was stored before it was named, and is not deleted before it was condemned, which its row says until
//! it is forgotten (`blobs`, migration 0002). So a look at the registry counts where the same row, named and not condemned, stands
//! in the index before it and after it: no writer and no sweeper explains then what was seen. One that is only pinned may not be
//! stored yet, and one that is condemned may be gone already; neither is asked for.

use serde_json::json;
use time::OffsetDateTime;

use super::asked::{Fault, Wanted};
use super::finding::Mended;
use super::walk::{Found, Walk};
use super::{Context, Finding, Kind, Phase, Repair, Tally};
use crate::audit::{Api, Kind as RecordKind, Record};
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::index::BlobRef;
use crate::index::fsck::CheckedBlob;

/// Names of a blob that are asked for at once.
const NAMES: u32 = 10_000;

impl Walk<'_> {
    pub(super) async fn blobs(&mut self) -> Result<()> {
        let context = self.context;
        loop {
            let after = self.place::<(i64, String)>()?.map(|(repository_id, digest)| {
                let digest =
                    digest.parse::<Digest>().map_err(|error| Error::internal("the place of a run").source(error));
                digest.map(|digest| BlobRef { repository_id, digest })
            });
            let page = context.index.fsck_blobs(after.transpose()?, context.effort.page).await?;
            if page.is_empty() {
                return Ok(());
            }
            let place = |blob: &CheckedBlob| json!([blob.blob.repository_id, blob.blob.digest.to_string()]);
            self.each(page, place, |blob| context.blob(blob)).await?;
        }
    }
}

impl Context {
    async fn blob(&self, blob: CheckedBlob) -> Result<Tally> {
        let mut found = Found::one(self, Phase::Blobs);
        if blob.repository.store != self.store.name() {
            found.tally.passed_over("blobs at a store that the configuration does not name");
        } else if blob.must_be_stored() {
            self.named_blob(&blob, &mut found).await?;
        } else if let Some(condemned_at) = blob.condemned_at {
            self.condemned_blob(&blob, condemned_at, &mut found).await?;
        } else if !blob.is_pinned {
            self.orphan_blob(&blob, &mut found).await?;
        }
        Ok(found.tally)
    }

    async fn named_blob(&self, blob: &CheckedBlob, found: &mut Found<'_>) -> Result<()> {
        let wanted = Wanted {
            repository: &blob.repository.name,
            digest: &blob.blob.digest,
            size: blob.size,
            is_read: self.options.reads(self.run, &blob.blob.digest),
        };
        if self.fault(wanted, &mut found.tally).await?.is_none() {
            return Ok(());
        }
        // One answer may be a slip of the registry's.
        let Some(fault) = self.fault(wanted, &mut found.tally).await? else { return Ok(()) };
        if !self.is_unchanged(blob).await? {
            return Ok(());
        }
        let mended = match fault.kind {
            Kind::MissingBlob if self.repairs(Repair::Copies) => self.bring_back(blob).await?,
            _ => Mended::Untried,
        };
        self.report_names(blob, &fault, &mended, found).await
    }

    /// Whether the row is still the one that was seen, with bytes that must be at the registry.
    pub(super) async fn is_unchanged(&self, blob: &CheckedBlob) -> Result<bool> {
        let now = self.index.fsck_blob(blob.blob).await?;
        Ok(now.is_some_and(|now| now.must_be_stored() && now.created_at == blob.created_at && now.size == blob.size))
    }

    /// A finding for each version and each part that has lost bytes.
    async fn report_names(
        &self,
        blob: &CheckedBlob,
        fault: &Fault,
        mended: &Mended,
        found: &mut Found<'_>,
    ) -> Result<()> {
        let finding = Finding::new(fault.kind, fault.detail.as_str())
            .at(&blob.repository.name)
            .digest(&blob.blob.digest)
            .mended(mended.clone());
        let mut after = 0;
        loop {
            let names = self.index.fsck_objects_of(blob.blob, after, NAMES).await?;
            let Some(last) = names.last() else { break };
            after = last.object_id;
            for name in names {
                found.report(&finding.clone().named_by(name));
            }
        }
        let mut after = (String::new(), 0);
        loop {
            let names = self.index.fsck_parts_of(blob.blob, (&after.0, after.1), NAMES).await?;
            let Some(last) = names.last() else { return Ok(()) };
            after = (last.upload_id.clone().unwrap_or_default(), last.part_number.unwrap_or_default());
            for name in names {
                found.report(&finding.clone().named_by(name));
            }
        }
    }

    /// A sweep that condemns a blob has it deleted and forgotten soon; another one takes over from one that does not.
    async fn condemned_blob(
        &self,
        blob: &CheckedBlob,
        condemned_at: OffsetDateTime,
        found: &mut Found<'_>,
    ) -> Result<()> {
        let is_old = |at: OffsetDateTime| OffsetDateTime::now_utc() - at >= self.options.stale_after;
        if !is_old(condemned_at) {
            return Ok(());
        }
        let at_registry = match self.head(&blob.repository.name, &blob.blob.digest).await? {
            Ok(Some(size)) => format!("the registry still has {size} bytes of it"),
            Ok(None) => "the registry does not have it any more".to_owned(),
            Err(error) => format!("the registry does not say whether it has it: {}", error.for_log()),
        };
        let now = self.index.fsck_blob(blob.blob).await?;
        if now.and_then(|now| now.condemned_at) != Some(condemned_at) {
            return Ok(());
        }
        let detail = format!("Condemned at {condemned_at}, {at_registry}. Sweeps of `serve` take it up.");
        let finding = Finding::new(Kind::StuckBlob, detail).at(&blob.repository.name).digest(&blob.blob.digest);
        found.report(&finding);
        Ok(())
    }

    async fn orphan_blob(&self, blob: &CheckedBlob, found: &mut Found<'_>) -> Result<()> {
        let is_orphan = |blob: &CheckedBlob| !blob.is_named && !blob.is_pinned && blob.condemned_at.is_none();
        if !self.index.fsck_blob(blob.blob).await?.is_some_and(|now| is_orphan(&now)) {
            return Ok(());
        }
        let mended = if self.repairs(Repair::Orphans) {
            let record = repair_record("PinOrphan").reference(&blob.repository.name).digest(blob.blob.digest);
            let pinned = self.index.fsck_pin(blob.blob, self.config.sweep_grace, true, &[record]).await;
            match pinned {
                Ok(_) => Mended::Done(format!("left to the sweep in {:?}", self.config.sweep_grace)),
                // Somebody has pinned or named it meanwhile, or it is gone.
                Err(error) if error.code() == Code::OperationAborted => return Ok(()),
                Err(error) => return Err(error),
            }
        } else {
            Mended::Untried
        };
        let detail = format!("Nothing names, pins or condemns its {} bytes.", blob.size);
        let finding = Finding::new(Kind::OrphanBlob, detail).at(&blob.repository.name).digest(&blob.blob.digest);
        found.report(&finding.mended(mended));
        Ok(())
    }
}

/// The audit record of a repair: the service did it of itself.
pub(super) fn repair_record(action: &str) -> Record {
    Record::new(RecordKind::Operation).api(Api::System).action(format_args!("Fsck{action}"))
}
