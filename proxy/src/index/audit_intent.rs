//! Intents without an outcome, whose process is gone or has heard no answer: claimed by one replica at a time, and settled once.

use std::time::Duration;

use uuid::Uuid;

use super::Index;
use super::convert::{seconds, to_u64};
use crate::audit::Record;
use crate::error::{Error, Result};
use crate::telemetry::names;

/// An intent that nobody has said the outcome of.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct OpenIntent {
    /// Its id.
    pub id: Uuid,
    /// The canonical bytes of its record.
    pub record: String,
}

impl Index {
    /// Marks intents that were forwarded and not answered: they are claimed though their process lives. How many of them had no
    /// outcome and no mark.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn doubt_audit_intents(&self, intents: &[Uuid]) -> Result<u64> {
        let (doubted,): (i64,) =
            self.fetch_one(|| sqlx::query_as("SELECT audit_doubt_intents($1)").bind(intents)).await?;
        Ok(to_u64(doubted))
    }

    /// The oldest intent that has had no outcome for `age`, and is in doubt or of a process that was not heard of for `silence`.
    /// For `lease` it is this caller's to find out about. `age` and `silence` are a second at the least, `lease` is an hour at the
    /// most.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn claim_audit_intent(
        &self,
        age: Duration,
        silence: Duration,
        lease: Duration,
    ) -> Result<Option<OpenIntent>> {
        const CLAIM: &str = "SELECT id, record FROM audit_claim_intent($1, $2, $3)";
        let claimed = self
            .fetch_optional(|| sqlx::query_as(CLAIM).bind(seconds(age)).bind(seconds(silence)).bind(seconds(lease)));
        Ok(claimed.await?)
    }

    /// Records the outcome of an intent that has none yet; false where it has got one meanwhile.
    /// # Errors
    /// `IndexUnavailable`; `InternalError` where the record names no intent.
    pub async fn settle_audit_intent(&self, outcome: &Record) -> Result<bool> {
        let intent = outcome.intent().ok_or_else(|| Error::internal("an outcome names its intent"))?;
        let text = outcome.canonical(self.writer);
        let (settled,): (bool,) =
            self.fetch_one(|| sqlx::query_as("SELECT audit_settle_intent($1, $2)").bind(intent).bind(&text)).await?;
        if settled {
            metrics::counter!(names::AUDIT_RECORDS, "kind" => outcome.kind().as_str()).increment(1);
        }
        Ok(settled)
    }
}
