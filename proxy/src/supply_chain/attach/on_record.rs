//! The intent of a change at the registry, which is committed before it is made, and the record of its outcome.

use uuid::Uuid;

use crate::app::App;
use crate::audit::{Kind, Record};
use crate::authz::Permit;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};

/// What is changed, as the records say it.
pub(super) struct Change<'a> {
    /// By what name the reconciler (`audit::Reconciler`) knows where to look for it.
    pub(super) operation: &'static str,
    /// The repository at the registry.
    pub(super) home: &'a str,
    /// What the manifest is called there; unset: the resource's own name is enough.
    pub(super) reference: Option<&'a str>,
    /// The manifest's digest.
    pub(super) digest: Digest,
    /// The manifest's size in bytes.
    pub(super) size: u64,
    /// What the outcome says besides, such as the rule that wanted it.
    pub(super) note: Option<&'a str>,
}

/// One change's records.
pub(super) struct OnRecord<'a> {
    app: &'a App,
    permit: &'a Permit,
    change: Change<'a>,
    /// The intent, as long as it is not known what became of it.
    intent: Option<Uuid>,
}

impl<'a> OnRecord<'a> {
    /// Puts the intent on record.
    ///
    /// # Errors
    /// `SlowDown` where it cannot be: nothing may be done then.
    pub(super) async fn begin(app: &'a App, permit: &'a Permit, change: Change<'a>) -> Result<Self> {
        let mut on_record = Self { app, permit, change, intent: None };
        if let Some(intent) = on_record.record(Kind::Intent).filter(|_| app.journal.is_enabled()) {
            let intent = intent.upstream(on_record.change.home).note(on_record.change.operation.to_owned());
            let id = intent.id();
            app.journal.intent(intent).await?;
            on_record.intent = Some(id);
        }
        Ok(on_record)
    }

    /// The intent, where there is one on record.
    pub(super) const fn intent(&self) -> Option<Uuid> {
        self.intent
    }

    /// The record of the outcome, to be committed with the change where it can be.
    pub(super) fn outcome(&self, status: u16, error: Option<Code>) -> Option<Record> {
        let record = self.record(Kind::Outcome)?.of_intent(self.intent?);
        let record = record.bytes(self.change.size, 0).answered(status, error);
        Some(match self.change.note {
            Some(note) => record.note(note.to_owned()),
            None => record,
        })
    }

    /// The change is done, and its outcome on record.
    pub(super) fn done(mut self) {
        self.intent = None;
    }

    /// Puts a failure on record. Nobody waits for it: what finds no room in the queue is counted, and on record as a gap.
    pub(super) fn failed(mut self, error: &Error) {
        if let Some(record) = self.outcome(error.row().status, Some(error.code())) {
            self.app.journal.offer(record);
        }
        self.intent = None;
    }

    fn record(&self, kind: Kind) -> Option<Record> {
        let record = self.permit.recorded(kind)?.digest(self.change.digest);
        Some(match self.change.reference {
            Some(reference) => record.reference(reference),
            None => record,
        })
    }
}

impl Drop for OnRecord<'_> {
    /// Whoever leaves in the middle of it leaves it in doubt, and so does an answer that is lost on the way: the reconciler looks.
    fn drop(&mut self) {
        if let Some(intent) = self.intent {
            self.app.journal.doubt(intent);
        }
    }
}
