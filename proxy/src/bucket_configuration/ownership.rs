//! Who owns what others write to a bucket (AWS, *Controlling ownership of objects*).

use serde::{Deserialize, Serialize};

/// The ownership that somebody has set, or has removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnershipControls {
    /// As S3 writes it; unset: it was removed, which is not the same as never having been set.
    pub object_ownership: Option<String>,
}
