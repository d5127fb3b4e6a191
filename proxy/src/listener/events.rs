//! What the listener counts beside requests.

use metrics::{counter, gauge};

/// A connection was opened (`1.0`) or closed (`-1.0`).
pub(super) fn connections(change: f64) {
    gauge!("zas_connections").increment(change);
}

/// A connection was closed before it could ask for anything.
pub(super) fn connection_refused(reason: &'static str) {
    counter!("zas_connections_refused_total", "reason" => reason).increment(1);
}

/// Bytes came that never became a request.
pub(super) fn request_refused(reason: &'static str) {
    counter!("zas_requests_refused_total", "reason" => reason).increment(1);
}

/// When the certificate in use ends, in seconds since 1970.
pub(super) fn certificate_expiry(unix_seconds: i64) {
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact in a double for 285 million years")]
    gauge!("zas_tls_certificate_expiry_timestamp_seconds").set(unix_seconds as f64);
}

/// A new certificate was taken into use, or could not be.
pub(super) fn certificate_reloaded(outcome: &'static str) {
    counter!("zas_tls_certificate_reloads_total", "outcome" => outcome).increment(1);
}
