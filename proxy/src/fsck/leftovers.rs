//! Pins and upload sessions that should have ended by themselves.

use std::time::Duration;

use serde_json::json;

use super::blobs::repair_record;
use super::finding::Mended;
use super::walk::{Found, Walk};
use super::{Context, Finding, Kind, Phase, Repair, Tally};
use crate::error::{Code, Result};
use crate::index::fsck::{CheckedPin, CheckedSession};

/// What the sweeper pins a blob for that the store refuses to delete, at the least.
const REFUSED: Duration = Duration::from_secs(60);

impl Walk<'_> {
    pub(super) async fn pins(&mut self) -> Result<()> {
        let context = self.context;
        let stale = context.options.stale_after;
        // Twice the longest that is made, for another replica may be configured otherwise by a little.
        let longest = context.config.pin_ttl.max(context.config.sweep_grace).max(REFUSED) * 2;
        loop {
            let after = self.place()?.unwrap_or(0);
            let page = context.index.fsck_pins(after, context.effort.page, stale, longest).await?;
            let Some(last) = page.last().map(|pin| pin.id) else { return Ok(()) };
            let mut found = Found::new(context);
            found.tally.looked_at(Phase::Pins, page.len() as u64);
            for pin in page {
                context.pin(&pin, &mut found).await?;
            }
            self.passed(json!(last), &found.tally).await?;
        }
    }

    pub(super) async fn sessions(&mut self) -> Result<()> {
        let context = self.context;
        loop {
            let after = self.place()?.unwrap_or(0);
            let page = context.index.fsck_sessions(after, context.effort.page, context.options.stale_after).await?;
            if page.is_empty() {
                return Ok(());
            }
            self.each(page, |session| json!(session.id), |session| context.session(session)).await?;
        }
    }
}

impl Context {
    async fn pin(&self, pin: &CheckedPin, found: &mut Found<'_>) -> Result<()> {
        let kind = match (pin.is_dangling, pin.is_overdue, pin.is_lasting) {
            (true, _, _) => Kind::DanglingPin,
            (_, true, _) => Kind::OverduePin,
            (_, _, true) => Kind::LastingPin,
            _ => return Ok(()),
        };
        let mut finding = Finding::new(kind, kind.help()).digest(&pin.blob.digest);
        // A pin whose blob is not known may name a repository that is not known either.
        if let Ok(repository) = self.index.repository(pin.blob.repository_id).await {
            finding = finding.at(&repository.name);
        }
        found.report(&finding);
        Ok(())
    }

    async fn session(&self, session: CheckedSession) -> Result<Tally> {
        let mut found = Found::one(self, Phase::Sessions);
        if session.store != self.store.name() {
            found.tally.passed_over("upload sessions at a store that the configuration does not name");
            return Ok(found.tally);
        }
        if !session.is_stale || !self.index.fsck_is_stale(session.id, self.options.stale_after).await? {
            return Ok(found.tally);
        }
        let mended = if self.repairs(Repair::Sessions) { self.end_session(&session).await? } else { Mended::Untried };
        // The location is as good as a key to the session: it stays out of what is printed.
        let detail = format!("Session {} was to be cancelled long ago.", session.id);
        found.report(&Finding::new(Kind::StaleSession, detail).mended(mended));
        Ok(found.tally)
    }

    /// As the sweeper does: cancelled at the registry, then forgotten.
    async fn end_session(&self, session: &CheckedSession) -> Result<Mended> {
        let cancelled = self.ask(async || self.store.cancel_upload(&session.location).await).await?;
        if let Err(error) = cancelled {
            return Ok(Mended::Failed(error.for_log()));
        }
        let record = repair_record("CancelUploadSession").reference(&session.id.to_string());
        match self.index.fsck_close(session.id, &[record]).await {
            Ok(()) => Ok(Mended::Done("cancelled and forgotten".to_owned())),
            Err(error) if error.code() == Code::OperationAborted => {
                Ok(Mended::Done("cancelled; a sweep has forgotten it".to_owned()))
            }
            Err(error) => Err(error),
        }
    }
}
