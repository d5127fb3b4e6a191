//! What buckets are configured with, as the index keeps it: documents, and what each of them means for a request.
//!
//! What does not live here: XML (`s3`), and the rows (`index`).

pub mod acl;
pub mod cors;
mod encryption;
pub mod lifecycle;
pub mod notification;
mod ownership;
mod public_access_block;
mod tags;

pub use cors::Cors;
pub use encryption::Encryption;
pub use lifecycle::Lifecycle;
pub use notification::Notification;
pub use ownership::{ObjectOwnership, OwnershipControls};
pub use public_access_block::PublicAccessBlock;
pub use tags::{Limits, Tag, TagSet};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::index::ConfigurationKind;

/// A document that a bucket may have one of.
pub trait Document: Serialize + DeserializeOwned {
    /// The kind that it is kept as.
    const KIND: ConfigurationKind;
}

impl Document for Cors {
    const KIND: ConfigurationKind = ConfigurationKind::Cors;
}

impl Document for Encryption {
    const KIND: ConfigurationKind = ConfigurationKind::Encryption;
}

impl Document for Notification {
    const KIND: ConfigurationKind = ConfigurationKind::Notification;
}

impl Document for Lifecycle {
    const KIND: ConfigurationKind = ConfigurationKind::Lifecycle;
}

impl Document for OwnershipControls {
    const KIND: ConfigurationKind = ConfigurationKind::OwnershipControls;
}

impl Document for PublicAccessBlock {
    const KIND: ConfigurationKind = ConfigurationKind::PublicAccessBlock;
}

impl Document for TagSet {
    const KIND: ConfigurationKind = ConfigurationKind::Tagging;
}
