//! What operators see: logs, traces, metrics.
//!
//! [`init`] is called once, by `main`; everything else here may be called at any time, before it and without it, and then
//! does nothing: a test needs no telemetry. No function here takes a key, a user or a raw path: labels and span
//! fields are bounded sets, names of buckets and repositories are cut off at `telemetry.bucket_labels`, those of trusted signers at 500.
//! What does not live here: what is worth a log line (each part says so itself), and who may read `/-/metrics`.

mod labels;
mod logs;
mod metrics;
pub mod names;
mod traces;
mod transfers;

use std::time::Duration;

use opentelemetry_sdk::trace::SdkTracerProvider;

use crate::config;

pub(crate) use labels::signer;
pub use metrics::{InFlight, Metrics, error, in_flight, metrics, request_ended};
pub use traces::{inject, record_request_id, record_status, request_span};
pub use transfers::{Download, Item, download, upload, upload_bytes, upload_done};

/// Why telemetry cannot start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `telemetry.log_filter` cannot be read.
    #[error("telemetry.log_filter: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// `telemetry.otlp_endpoint` cannot be used.
    #[error("telemetry.otlp_endpoint: {0}")]
    Otlp(String),
    /// Something else in this process writes logs already.
    #[error("logs: {0}")]
    Installed(#[from] tracing_subscriber::util::TryInitError),
}

/// Holds the exporter of traces; spans that were not sent yet are lost unless [`Telemetry::shutdown`] is awaited.
#[derive(Debug)]
#[must_use = "traces of the last seconds are lost without a shutdown"]
pub struct Telemetry {
    provider: Option<SdkTracerProvider>,
}

/// Starts logs, traces and metrics for the whole process; must be called within a tokio runtime, once.
///
/// # Errors
/// A value of the configuration cannot be used, or somebody else installed a logger.
pub fn init(config: &config::Telemetry) -> Result<Telemetry, TelemetryError> {
    let provider = traces::provider(config)?;
    logs::install(config, provider.as_ref())?;
    labels::limit_names(config.bucket_labels);
    metrics();
    Ok(Telemetry { provider })
}

/// Whether [`init`] could use the configuration; starts nothing.
///
/// # Errors
/// The first value that cannot be used.
pub fn check(config: &config::Telemetry) -> Result<(), TelemetryError> {
    logs::filter(config)?;
    traces::check(config)
}

impl Telemetry {
    /// Sends what is left of the traces; gives up after `deadline`.
    pub async fn shutdown(self, deadline: Duration) {
        let Some(provider) = self.provider else { return };
        // The exporter needs this runtime's workers while its own shutdown blocks.
        let stopping = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(deadline));
        match tokio::time::timeout(deadline, stopping).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "the last traces were not sent"),
            Ok(Err(_)) | Err(_) => tracing::warn!("the last traces were not sent in time"),
        }
    }
}
