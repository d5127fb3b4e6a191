//! What `zas-proxy fsck` asks of the index: pages of rows with what is wrong with them, and how far a run has come.
//!
//! Every page is found by a key that the last one ended with, and every row is judged within one statement, which sees one
//! snapshot: what a writer does meanwhile is seen whole or not at all. What does not live here: the registry, and what a
//! finding means (`crate::fsck`).

mod blobs;
mod buckets;
mod leftovers;
mod objects;
mod referrers;
mod repairs;
mod repositories;
mod runs;
mod uploads;

pub use blobs::{BlobName, CheckedBlob};
pub use buckets::CheckedBucket;
pub use leftovers::{CheckedPin, CheckedSession};
pub use objects::BadObject;
pub use referrers::CheckedReferrer;
pub use repairs::OrphanManifest;
pub use repositories::CheckedRepository;
pub use runs::{HeldRun, SavedRun};
pub use uploads::BadPart;
