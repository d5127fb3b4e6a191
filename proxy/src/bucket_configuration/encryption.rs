//! How a bucket's objects are encrypted unless their writer says otherwise (AWS, *PutBucketEncryption*).

use serde::{Deserialize, Serialize};

/// The one rule that there can be here: AES256, which is what the storage does to every object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Encryption {
    /// Whether a key of the bucket stands between objects and a key management service. Kept as it was sent; without such a service it
    /// means nothing.
    pub bucket_key: Option<bool>,
}
