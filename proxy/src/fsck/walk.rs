//! [`Walk`]: through the phases, and through the rows of each; saved as it goes.

use futures::StreamExt as _;
use metrics::counter;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use super::{Context, Finding, Phase, Tally};
use crate::error::{Error, Result};
use crate::index::fsck::HeldRun;
use crate::telemetry::names;

/// Where a run is.
pub(super) struct Walk<'a> {
    pub(super) context: &'a Context,
    held: &'a HeldRun,
    phase: Phase,
    place: Option<Value>,
    tally: Tally,
    saved: Instant,
}

/// What one check has found. It is counted when the walk has passed the thing that was checked, and not before: where the run
/// ends in between, that is looked at once more.
pub(super) struct Found<'a> {
    context: &'a Context,
    pub(super) tally: Tally,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        context: &'a Context,
        held: &'a HeldRun,
        phase: Phase,
        place: Option<Value>,
        tally: Tally,
    ) -> Self {
        Self { context, held, phase, place, tally, saved: Instant::now() }
    }

    pub(super) fn into_tally(self) -> Tally {
        self.tally
    }

    /// Goes through what is left, and saves how far it came, however it ends.
    pub(super) async fn finish(&mut self) -> Result<()> {
        let end = self.phases().await;
        let saved = self.save(end.is_ok()).await;
        end.and(saved)
    }

    async fn phases(&mut self) -> Result<()> {
        loop {
            self.phase().await?;
            let Some(next) = self.phase.next() else { return Ok(()) };
            (self.phase, self.place) = (next, None);
            self.save(false).await?;
        }
    }

    /// Each on the heap: the largest of them would make all of them as large.
    async fn phase(&mut self) -> Result<()> {
        tracing::debug!(run = self.held.id(), phase = self.phase.as_str(), "fsck goes on");
        match self.phase {
            Phase::Blobs => Box::pin(self.blobs()).await,
            Phase::Objects => Box::pin(self.objects()).await,
            Phase::Uploads => Box::pin(self.uploads()).await,
            Phase::Buckets => Box::pin(self.buckets()).await,
            Phase::Pins => Box::pin(self.pins()).await,
            Phase::Sessions => Box::pin(self.sessions()).await,
            Phase::Referrers => Box::pin(self.referrers()).await,
            Phase::Repositories => Box::pin(self.repositories()).await,
            Phase::Catalog => Box::pin(self.catalog()).await,
            Phase::Files => Box::pin(self.files()).await,
        }
    }

    /// The last thing of this phase that was passed.
    pub(super) fn place<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        let unreadable =
            |error| Error::internal("the place of a run was saved by another version of fsck").source(error);
        self.place.clone().map(serde_json::from_value).transpose().map_err(unreadable)
    }

    /// Checks each of a page, some of them at once, and passes them in their order.
    pub(super) async fn each<T, F>(
        &mut self,
        page: Vec<T>,
        place: impl Fn(&T) -> Value,
        check: impl Fn(T) -> F,
    ) -> Result<()>
    where
        F: Future<Output = Result<Tally>>,
    {
        let context = self.context;
        let places: Vec<Value> = page.iter().map(place).collect();
        let checks = futures::stream::iter(page).map(check).buffered(context.effort.concurrency.max(1));
        let mut checks = std::pin::pin!(checks);
        for place in places {
            let tally = tokio::select! {
                tally = checks.next() => tally,
                () = context.stop.cancelled() => return Err(Context::stopped()),
            };
            let Some(tally) = tally else { return Ok(()) };
            self.passed(place, &tally?).await?;
        }
        Ok(())
    }

    /// Counts what was found up to a place, which is then behind.
    pub(super) async fn passed(&mut self, place: Value, found: &Tally) -> Result<()> {
        self.tally.add(found);
        self.place = Some(place);
        if self.context.stop.is_cancelled() {
            return Err(Context::stopped());
        }
        if self.saved.elapsed() >= self.context.effort.save_every {
            self.save(false).await?;
        }
        Ok(())
    }

    async fn save(&mut self, is_ended: bool) -> Result<()> {
        let tally = serde_json::to_value(&self.tally).map_err(Error::internal)?;
        self.held.save(self.phase.as_str(), self.place.as_ref(), &tally, is_ended).await?;
        self.saved = Instant::now();
        Ok(())
    }
}

impl<'a> Found<'a> {
    pub(super) fn new(context: &'a Context) -> Self {
        Self { context, tally: Tally::default() }
    }

    /// As [`new`](Self::new), of one thing of a phase.
    pub(super) fn one(context: &'a Context, phase: Phase) -> Self {
        let mut found = Self::new(context);
        found.tally.looked_at(phase, 1);
        found
    }

    pub(super) fn report(&mut self, finding: &Finding) {
        let outcome = if finding.is_left() { "left" } else { "repaired" };
        counter!(names::FSCK_FINDINGS, "kind" => finding.kind.as_str(), "outcome" => outcome).increment(1);
        (self.context.listener)(finding);
        self.tally.found(finding);
    }
}
