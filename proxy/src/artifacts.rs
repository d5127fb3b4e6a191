//! S3 objects as OCI artifacts, behind the door: digests of objects that came in parts, and the end of what refers to objects
//! that are gone.
//!
//! What does not live here: serving artifacts (`oci/artifact`), and the manifest itself (`migrations/0016_artifacts.sql`).

mod digester;
mod referrers;

pub use digester::Digester;
pub use referrers::{ReferrerReport, Referrers};
