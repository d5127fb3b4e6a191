//! Audit: who did what, on record, so that nobody can change it unseen.
//!
//! A mutation's [`Record`] commits in the transaction of the change (`index/`); everything else goes through the
//! [`Journal`]'s queue. The sealer chains what was committed, checkpoints sign the chains, [`verify`] checks it all; the
//! [`Reconciler`] finds out what became of a change whose process died, or has heard no answer.
//! What does not live here: the SQL (`index/audit.rs`), who may read records (`authz`), and the HTTP of it (`admin/audit.rs`).

pub mod checkpoint;
mod excess;
mod journal;
mod keeper;
pub mod note;
pub mod publish;
mod query;
mod reconcile;
mod record;
mod render;
#[cfg(test)]
mod tests;
mod trail;
pub mod verify;
mod webhook;

pub use journal::Journal;
pub use keeper::Keeper;
pub use query::{Page, place, query, token};
pub use reconcile::{ATTACH_REFERRER, DELETE_MANIFEST, PUSH_MANIFEST, Reconciler};
pub use record::{Api, Decided, Kind, Reconciled, Record};
pub use render::render;
pub use trail::{Facts, Trail};
pub use webhook::{Webhook, check as check_webhook};
