//! `[authorization]`: how well the policies must be known to decide by them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How changes of policies reach this replica. They are told at once; asking stands behind that.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Authorization {
    /// How often the index is asked whether policies have changed, in case a notice was lost.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub poll_interval: Duration,
    /// How old the last certainty may be that no change was missed. Beyond it only root keys are served; everybody else is
    /// answered 503.
    #[serde(with = "humantime_serde")]
    #[schemars(with = "String")]
    pub stale_after: Duration,
}

impl Default for Authorization {
    fn default() -> Self {
        Self { poll_interval: Duration::from_secs(1), stale_after: Duration::from_secs(60) }
    }
}
