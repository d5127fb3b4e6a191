//! One count and one line for each request, when it has ended. The line is of level debug: `zas_proxy::access=debug` in
//! `telemetry.log_filter` turns it on.

use super::Door;
use crate::listener::Summary;
use crate::telemetry;

/// Counts a request and writes its line. Queries never stand in it: a presigned URL's query is a secret.
pub(super) fn write(summary: &Summary) {
    let door = Door::of(&summary.method, &summary.path);
    telemetry::request_ended(door, summary.label, summary.status, summary.duration);
    tracing::debug!(
        target: "zas_proxy::access",
        request_id = summary.request_id.as_str(),
        peer = %summary.peer,
        method = %summary.method,
        path = %summary.path.escape_debug(),
        operation = summary.label,
        status = summary.status,
        bytes_in = summary.bytes_in,
        bytes_out = summary.bytes_out,
        duration_ms = u64::try_from(summary.duration.as_millis()).unwrap_or(u64::MAX),
        ending = ?summary.ending,
        "request"
    );
}
