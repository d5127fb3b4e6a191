//! Parts of open uploads.

use serde_json::json;

use super::objects::kind;
use super::walk::{Found, Walk};
use super::{Finding, Phase};
use crate::error::Result;

/// Uploads that are asked for at once: each may have ten thousand parts.
const PAGE: u32 = 20;

impl Walk<'_> {
    pub(super) async fn uploads(&mut self) -> Result<()> {
        let context = self.context;
        loop {
            let after: String = self.place()?.unwrap_or_default();
            let Some((last, rows)) = context.index.fsck_upload_page(&after, PAGE).await? else { return Ok(()) };
            let mut found = Found::new(context);
            found.tally.looked_at(Phase::Uploads, rows);
            for part in context.index.fsck_bad_parts(&after, &last).await? {
                for problem in &part.problems {
                    found.report(&Finding::of_part(kind(problem)?, &part));
                }
            }
            self.passed(json!(last), &found.tally).await?;
        }
    }
}
