//! `[s3]`: the S3 API.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The S3 API.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct S3 {
    /// The region that clients sign for and that GetBucketLocation answers.
    pub region: String,
    /// Domains for virtual-host style requests (`bucket.domain`). Empty: path style only. OCI clients must not use a host below one.
    pub domains: Vec<String>,
    /// The longest lifetime of a presigned URL; never more than 7 days.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub max_presign: Duration,
}

impl Default for S3 {
    fn default() -> Self {
        Self { region: "us-east-1".to_owned(), domains: Vec::new(), max_presign: Duration::from_secs(7 * 24 * 3600) }
    }
}
