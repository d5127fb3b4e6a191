//! Audit: who did what, on record, so that nobody can change it unseen.
//!
//! A mutation's [`Record`] commits in the transaction of the change (`index/`); everything else goes through the
//! [`Journal`]'s queue. The sealer chains what was committed, checkpoints sign the chains, [`verify`] checks it all.
//! What does not live here: the SQL (`index/audit.rs`), who may read records (`authz`), and the HTTP of it (`rest`).

pub mod checkpoint;
mod journal;
mod keeper;
pub mod note;
pub mod publish;
mod record;
#[cfg(test)]
mod tests;
mod trail;
pub mod verify;

pub use journal::Journal;
pub use keeper::Keeper;
pub use record::{Api, Decided, Kind, Record};
pub use trail::{Facts, Trail};
