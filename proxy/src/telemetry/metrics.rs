//! The recorder behind `/-/metrics`, and the few calls by which the rest of the crate counts.

use std::sync::OnceLock;
use std::time::Duration;

use ::metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use super::{labels, names};
use crate::error::Code;
use crate::gateway::Door;
use crate::index::Index;

/// How often samples that nobody has asked for are folded into their buckets; without it they would pile up.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    handle: PrometheusHandle,
}

/// The metrics of the process; the first call installs the recorder.
pub fn metrics() -> &'static Metrics {
    static METRICS: OnceLock<Metrics> = OnceLock::new();
    METRICS.get_or_init(Metrics::install)
}

impl Metrics {
    fn install() -> Self {
        let recorder = recorder().unwrap_or_else(|error| {
            tracing::error!(%error, "metrics use summaries: the buckets of the histograms cannot be used");
            PrometheusBuilder::new().build_recorder()
        });
        let handle = recorder.handle();
        // Somebody else's recorder, as in a test, keeps its place; ours then stays empty.
        if ::metrics::set_global_recorder(recorder).is_ok() {
            describe();
            gauge!(names::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
            start_upkeep(handle.clone());
        }
        Self { handle }
    }

    /// Everything in Prometheus' text format 0.0.4; the pool is looked at now.
    #[must_use]
    pub fn render(&self, index: &Index) -> String {
        let (connections, idle) = index.pool_use();
        for (state, count) in [("idle", idle), ("used", connections.saturating_sub(idle))] {
            gauge!(names::POOL_CONNECTIONS, "state" => state).set(u32::try_from(count).unwrap_or(u32::MAX));
        }
        self.handle.render()
    }
}

fn recorder() -> Result<PrometheusRecorder, BuildError> {
    let transfers = [names::UPLOAD_SECONDS, names::DOWNLOAD_SECONDS, names::SWEEP_SECONDS, names::DIRECTORY_SECONDS];
    let mut builder = PrometheusBuilder::new()
        .set_buckets(names::SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), names::BYTES)?;
    for name in transfers {
        builder = builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), names::TRANSFER_SECONDS)?;
    }
    Ok(builder.build_recorder())
}

fn describe() {
    for metric in names::ALL {
        match metric.kind {
            names::Kind::Counter => describe_counter!(metric.name, metric.help),
            names::Kind::Gauge => describe_gauge!(metric.name, metric.help),
            names::Kind::Histogram => describe_histogram!(metric.name, metric.help),
        }
    }
}

/// A thread and no task: it outlives every runtime, and has to, because the recorder does.
fn start_upkeep(handle: PrometheusHandle) {
    let started = std::thread::Builder::new().name("metrics-upkeep".to_owned()).spawn(move || {
        loop {
            std::thread::sleep(UPKEEP_INTERVAL);
            handle.run_upkeep();
        }
    });
    if let Err(error) = started {
        tracing::error!(%error, "histograms are folded only when metrics are read");
    }
}

const fn door_label(door: Door) -> &'static str {
    match door {
        Door::Oci => "oci",
        Door::Rest => "rest",
        Door::S3 => "s3",
        Door::Sts => "sts",
        Door::Token => "token",
        Door::Logout => "logout",
    }
}

/// Counts a request that ended. `operation` is of a bounded set, as in `PutObject` or `oci:PullManifest`.
pub fn request_ended(door: Door, operation: &'static str, status: u16, duration: Duration) {
    let door = door_label(door);
    counter!(names::REQUESTS, "door" => door, "operation" => operation, "status" => labels::status(status))
        .increment(1);
    histogram!(names::REQUEST_SECONDS, "door" => door, "operation" => operation).record(duration);
}

/// Counts an error that a client was told.
pub fn error(code: Code) {
    let row = code.row();
    counter!(names::ERRORS, "kind" => row.kind.as_str(), "code" => row.label).increment(1);
}

/// One request in flight; it counts until it is dropped.
#[derive(Debug)]
#[must_use = "the request counts as in flight only while this lives"]
pub struct InFlight(());

/// Counts a request as in flight.
pub fn in_flight() -> InFlight {
    gauge!(names::IN_FLIGHT).increment(1.0);
    InFlight(())
}

impl Drop for InFlight {
    fn drop(&mut self) {
        gauge!(names::IN_FLIGHT).decrement(1.0);
    }
}

/// What `work` counts, in a recorder of its own.
#[cfg(test)]
pub(super) fn rendered(work: impl FnOnce()) -> String {
    let recorder = recorder().unwrap_or_else(|error| panic!("{error}"));
    let handle = recorder.handle();
    ::metrics::with_local_recorder(&recorder, || {
        describe();
        work();
    });
    handle.render()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_counted_by_door_operation_and_status() {
        let text = rendered(|| request_ended(Door::S3, "GetObject", 206, Duration::from_millis(7)));
        assert!(text.contains("# HELP zas_requests_total Requests"), "{text}");
        assert!(text.contains(r#"zas_requests_total{door="s3",operation="GetObject",status="206"} 1"#), "{text}");
        let bucket = r#"zas_request_duration_seconds_bucket{door="s3",operation="GetObject",le="0.01"} 1"#;
        assert!(text.contains(bucket), "{text}");
        assert!(text.contains(r#"le="0.005"} 0"#), "{text}");
    }

    #[test]
    fn a_request_in_flight_counts_while_it_lives() {
        let text = rendered(|| {
            let first = in_flight();
            std::mem::forget(in_flight());
            drop(first);
        });
        assert!(text.contains("zas_requests_in_flight 1"), "{text}");
    }

    #[test]
    fn an_error_is_counted_by_kind_and_code() {
        let text = rendered(|| error(Code::UpstreamUnavailable));
        assert!(text.contains(r#"zas_errors_total{kind="storage",code="upstream_unavailable"} 1"#), "{text}");
    }

    #[tokio::test]
    async fn the_metrics_of_the_process_are_installed_once_and_show_the_pool() {
        let url = crate::config::Secret::new("postgres://nobody@127.0.0.1:1/none");
        let index = Index::open(&crate::config::Database { url, ..Default::default() }).unwrap();
        assert!(std::ptr::eq(metrics(), metrics()));
        let text = metrics().render(&index);
        assert!(text.contains(r#"zas_index_pool_connections{state="used"} 0"#), "{text}");
        assert!(text.contains("zas_build_info{version="), "{text}");
    }
}
