//! The intent of a change at the registry, which is committed before it is made, and the record of its outcome.

use uuid::Uuid;

use crate::app::App;
use crate::audit::{Kind, Record};
use crate::authz::Permit;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};

/// One change's records.
pub(super) struct OnRecord<'a> {
    app: &'a App,
    permit: &'a Permit,
    digest: Digest,
    size: u64,
    note: Option<&'a str>,
    /// The intent, where there is one on record.
    pub(super) intent: Option<Uuid>,
}

impl<'a> OnRecord<'a> {
    /// Puts the intent on record: to attach or to remove the manifest of this digest and size.
    pub(super) async fn begin(
        app: &'a App,
        permit: &'a Permit,
        digest: &Digest,
        size: u64,
        note: Option<&'a str>,
    ) -> Result<OnRecord<'a>> {
        let mut on_record = Self { app, permit, digest: *digest, size, note, intent: None };
        let intent = on_record.record(Kind::Intent).filter(|_| app.journal.is_enabled());
        if let Some(intent) = intent {
            let id = intent.id();
            app.journal.intent(intent).await?;
            on_record.intent = Some(id);
        }
        Ok(on_record)
    }

    /// The record of the outcome, to be committed with the change.
    pub(super) fn outcome(&self, status: u16, error: Option<Code>) -> Option<Record> {
        let record = self.record(Kind::Outcome)?.of_intent(self.intent?);
        Some(record.bytes(self.size, 0).answered(status, error))
    }

    /// Puts a failure on record. Nobody waits for it: what finds no room in the queue is counted, and on record as a gap.
    pub(super) fn failed(&self, error: &Error) {
        if let Some(record) = self.outcome(error.row().status, Some(error.code())) {
            self.app.journal.offer(record);
        }
    }

    fn record(&self, kind: Kind) -> Option<Record> {
        let record = self.permit.recorded(kind)?.digest(self.digest);
        Some(match self.note {
            Some(note) => record.note(note.to_owned()),
            None => record,
        })
    }
}
