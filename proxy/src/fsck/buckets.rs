//! What buckets are counted to hold, and their placements.

use serde_json::json;
use zas_policy::Resource;

use super::blobs::repair_record;
use super::finding::Mended;
use super::walk::{Found, Walk};
use super::{Context, Finding, Kind, Phase, Repair};
use crate::error::{Code, Result};
use crate::index::fsck::CheckedBucket;

impl Walk<'_> {
    pub(super) async fn buckets(&mut self) -> Result<()> {
        let context = self.context;
        loop {
            let Some(next) = context.index.fsck_next_bucket(self.place()?.unwrap_or(0)).await? else { return Ok(()) };
            let mut found = Found::one(context, Phase::Buckets);
            if let Some(bucket) = context.index.fsck_bucket(next).await? {
                context.bucket(&bucket, &mut found).await?;
            }
            self.passed(json!(next), &found.tally).await?;
        }
    }
}

impl Context {
    async fn bucket(&self, bucket: &CheckedBucket, found: &mut Found<'_>) -> Result<()> {
        if bucket.has_bad_placement {
            found.report(&Finding::new(Kind::WrongPlacement, Kind::WrongPlacement.help()).bucket(&bucket.name));
        }
        let drift = bucket.drift;
        if drift.bytes == 0 && drift.objects == 0 && !bucket.lacks_counters {
            return Ok(());
        }
        let mended = if self.repairs(Repair::Counters) {
            let record = repair_record("RecountUsage").on(&Resource::bucket(bucket.name.as_str()));
            match self.index.recount_usage(&bucket.name, &[record]).await {
                Ok(added) => Mended::Done(format!("{} bytes and {} objects added", added.bytes, added.objects)),
                Err(error) if error.code() == Code::NoSuchBucket => return Ok(()),
                Err(error) => Mended::Failed(error.for_log()),
            }
        } else {
            Mended::Untried
        };
        let rows = if bucket.lacks_counters { " Rows that it is counted in are missing." } else { "" };
        let detail = format!("There are {} bytes and {} objects more than counted.{rows}", drift.bytes, drift.objects);
        found.report(&Finding::new(Kind::WrongCounter, detail).bucket(&bucket.name).mended(mended));
        Ok(())
    }
}
