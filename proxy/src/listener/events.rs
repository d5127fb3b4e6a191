//! What the listener counts beside requests.

use metrics::{counter, gauge};

use crate::telemetry::names::{
    CERTIFICATE_EXPIRY, CERTIFICATE_RELOADS, CONNECTIONS, CONNECTIONS_REFUSED, REQUESTS_REFUSED,
};

/// A connection was accepted.
pub(super) fn connection_opened() {
    gauge!(CONNECTIONS).increment(1.0);
}

/// A connection that was accepted is closed.
pub(super) fn connection_closed() {
    gauge!(CONNECTIONS).decrement(1.0);
}

/// A connection was closed before it could ask for anything.
pub(super) fn connection_refused(reason: &'static str) {
    counter!(CONNECTIONS_REFUSED, "reason" => reason).increment(1);
}

/// Bytes came that never became a request.
pub(super) fn request_refused(reason: &'static str) {
    counter!(REQUESTS_REFUSED, "reason" => reason).increment(1);
}

/// When the certificate in use ends, in seconds since 1970.
pub(super) fn certificate_expiry(unix_seconds: i64) {
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are exact in a double for 285 million years")]
    gauge!(CERTIFICATE_EXPIRY).set(unix_seconds as f64);
}

/// A new certificate was taken into use, or could not be.
pub(super) fn certificate_reloaded(outcome: &'static str) {
    counter!(CERTIFICATE_RELOADS, "outcome" => outcome).increment(1);
}
