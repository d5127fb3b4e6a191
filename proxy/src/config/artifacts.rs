//! `[artifacts]`: S3 objects as OCI artifacts, and what refers to them.

use std::time::Duration;

use bytesize::ByteSize;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Digests of objects that came in parts, how much may refer to an object, and how long that outlives it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Artifacts {
    /// Whether objects that were uploaded in parts are read once more by themselves, to learn their digest. Otherwise that is done
    /// when an OCI client first asks for one.
    pub digest_in_background: bool,
    /// Objects that each replica reads at once in the background.
    pub digest_readers: u32,
    /// How fast each of them is read, in bytes a second. What a client waits for is read as fast as it comes.
    #[schemars(with = "String")]
    pub digest_rate: ByteSize,
    /// How long what refers to an object (signatures, SBOMs, attestations) is kept when the object is gone: the same bytes put
    /// again under the same name have it back until then.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub referrer_retention: Duration,
    /// The most bytes that one thing that refers to an object may have: its manifest and all of its blobs.
    #[schemars(with = "String")]
    pub referrer_bytes: ByteSize,
    /// How many things may refer to one object, those that refer to a referrer of it included.
    pub referrers_per_object: u32,
}

impl Default for Artifacts {
    fn default() -> Self {
        Self {
            digest_in_background: true,
            digest_readers: 2,
            digest_rate: ByteSize::mib(100),
            referrer_retention: Duration::from_secs(30 * 24 * 3600),
            referrer_bytes: ByteSize::gib(1),
            referrers_per_object: 1000,
        }
    }
}
