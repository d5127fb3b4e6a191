//! [`Reads`]: what a request was permitted to read, kept until it is answered, so that its records say how it was.
//!
//! What does not live here: changes, whose records commit with them (`index/`), and refusals (`authz`).

use std::sync::{Arc, Mutex, PoisonError};

use crate::audit::{Journal, Kind};
use crate::authz::Permit;
use crate::digest::Digest;
use crate::error::{Code, Result};

/// The reads of one request. Travels in its extensions; clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Reads(Arc<Mutex<Vec<Read>>>);

/// A read that was permitted.
#[derive(Debug)]
struct Read {
    permit: Permit,
    digest: Option<Digest>,
}

impl Reads {
    /// Takes note of a read that is permitted, and of which bytes it is where it is of some.
    pub(super) fn add(&self, permit: &Permit, digest: Option<Digest>) {
        let read = Read { permit: permit.clone(), digest };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(read);
    }

    /// Puts them on record with how the request is answered, before its client hears of it.
    /// # Errors
    /// `SlowDown` where that takes too long: the answer must not be given then.
    pub(super) async fn answered(&self, journal: &Journal, status: u16, error: Option<Code>) -> Result<()> {
        let reads = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for Read { permit, digest } in reads {
            let Some(record) = permit.recorded(Kind::Operation) else { continue };
            let record = match digest {
                Some(digest) => record.digest(digest),
                None => record,
            };
            journal.record(record.answered(status, error)).await?;
        }
        Ok(())
    }
}
