//! `[telemetry]`: logs, traces and metrics.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PrivateUrl;

/// Logs, traces and metrics.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Telemetry {
    /// How log lines look.
    pub log_format: LogFormat,
    /// Which log lines are written, in the syntax of `RUST_LOG`. Lines of libraries below `info` never are: they may hold secrets.
    pub log_filter: String,
    /// OTLP endpoint for traces over HTTP, such as `http://127.0.0.1:4318`. Unset: no traces are sent.
    pub otlp_endpoint: Option<PrivateUrl>,
    /// The share of requests that are traced where the client did not decide, 0 to 1.
    pub trace_ratio: f64,
    /// Buckets with a label of their own in metrics, and as many repositories; all further ones share `other`.
    pub bucket_labels: usize,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            log_format: LogFormat::Human,
            log_filter: "info,s3s=off,pingora_core=warn,pingora_proxy=warn,sqlx=warn".to_owned(),
            otlp_endpoint: None,
            trace_ratio: 1.0,
            bucket_labels: 100,
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}
