//! Rows of objects: whether segments, parts, versions and digests fit together. Lost bytes are the blobs' to tell (`blobs.rs`).

use serde_json::json;

use super::walk::{Found, Walk};
use super::{Finding, Kind, Phase};
use crate::error::{Error, Result};

impl Walk<'_> {
    pub(super) async fn objects(&mut self) -> Result<()> {
        let context = self.context;
        loop {
            let after = self.place()?.unwrap_or(0);
            let Some((last, rows)) = context.index.fsck_object_page(after, context.effort.page).await? else {
                return Ok(());
            };
            let mut found = Found::new(context);
            found.tally.looked_at(Phase::Objects, rows);
            for object in context.index.fsck_bad_objects(after, last).await? {
                for problem in &object.problems {
                    found.report(&Finding::of_object(kind(problem)?, &object));
                }
            }
            self.passed(json!(last), &found.tally).await?;
        }
    }
}

/// The index names what is wrong as findings do.
pub(super) fn kind(problem: &str) -> Result<Kind> {
    Kind::parse(problem)
        .ok_or_else(|| Error::internal(format!("the index knows a problem {problem:?} that fsck does not")))
}
