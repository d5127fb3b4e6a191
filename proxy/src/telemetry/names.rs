//! Every metric: its name, its kind, its labels, its help text. Nothing else in the crate spells a metric's name.

/// What a metric counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution in buckets.
    Histogram,
}

/// One metric as operators read it.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// The name.
    pub name: &'static str,
    /// What it counts.
    pub kind: Kind,
    /// The labels.
    pub labels: &'static [&'static str],
    /// The help text.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($const:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)+) => {
        $(#[doc = $help] pub const $const: &str = $name;)+

        /// Every metric.
        pub const ALL: &[Metric] = &[
            $(Metric { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help }),+
        ];
    };
}

metrics! {
    // --- requests
    REQUESTS: Counter "zas_requests_total" ["door", "operation", "status"] "Requests that ended, by door (s3, oci, rest), operation and HTTP status.";
    REQUEST_SECONDS: Histogram "zas_request_duration_seconds" ["door", "operation"] "Seconds from the end of a request's header to the end of its answer.";
    IN_FLIGHT: Gauge "zas_requests_in_flight" [] "Requests that are being served.";
    ERRORS: Counter "zas_errors_total" ["kind", "code"] "Errors told to clients, by kind and code of the error table.";
    RATE_EXCEEDED: Counter "zas_rate_exceeded_total" ["rate"] "Requests that were more than an address or a principal may ask for, by rate (failures, tokens, denials, lists, reads, writes).";
    REQUESTS_REFUSED: Counter "zas_requests_refused_total" ["reason"] "Bytes of clients that never became a request, by reason.";

    // --- connections
    CONNECTIONS: Gauge "zas_connections" [] "Client connections that are open.";
    CONNECTIONS_ACCEPTED: Counter "zas_connections_accepted_total" [] "Client connections that were accepted.";
    CONNECTIONS_REFUSED: Counter "zas_connections_refused_total" ["reason"] "Client connections that were closed before their first request, by reason.";
    CERTIFICATE_EXPIRY: Gauge "zas_tls_certificate_expiry_timestamp_seconds" [] "When the served certificate lapses, in seconds since 1970.";
    CERTIFICATE_RELOADS: Counter "zas_tls_certificate_reloads_total" ["outcome"] "Certificate files read again after a change, by outcome (ok, error).";

    // --- transfers: of S3 objects by bucket and content type family, of OCI by repository and media type, or "blob"
    UPLOADS: Counter "zas_uploads_total" ["bucket", "repository", "type"] "Uploads that were acknowledged, by bucket and content type family, or by repository and manifest type or blob.";
    UPLOAD_BYTES: Counter "zas_upload_bytes_total" ["bucket", "repository", "type"] "Bytes of uploads that were acknowledged, those of a blob's chunks as they come.";
    UPLOAD_SIZE: Histogram "zas_upload_size_bytes" ["bucket", "repository"] "Sizes of uploads in bytes.";
    UPLOAD_SECONDS: Histogram "zas_upload_duration_seconds" ["bucket", "repository"] "Seconds that uploads took.";
    DOWNLOADS: Counter "zas_downloads_total" ["bucket", "repository", "type", "outcome"] "Downloads that ended, by what uploads are counted by and outcome (complete, cut).";
    DOWNLOAD_BYTES: Counter "zas_download_bytes_total" ["bucket", "repository", "type"] "Bytes that were sent in downloads, cut ones included.";
    DOWNLOAD_SIZE: Histogram "zas_download_size_bytes" ["bucket", "repository"] "Sizes of complete downloads in bytes.";
    DOWNLOAD_SECONDS: Histogram "zas_download_duration_seconds" ["bucket", "repository"] "Seconds from request to last byte of complete downloads.";

    // --- the upstream registry
    UPSTREAM_SECONDS: Histogram "zas_upstream_request_seconds" ["store", "operation", "outcome"] "Seconds until the upstream registry answered, by operation and outcome.";
    UPSTREAM_RETRIES: Counter "zas_upstream_retries_total" ["store", "operation", "reason"] "Requests to the upstream registry that were sent again, by what had failed.";
    BREAKER_STATE: Gauge "zas_upstream_breaker_state" ["store"] "Circuit breaker of the upstream registry: 0 closed, 1 half open, 2 open.";

    // --- the index
    POOL_CONNECTIONS: Gauge "zas_index_pool_connections" ["state"] "Connections to Postgres, by state (idle, used).";

    // --- the life of blobs
    SWEEP_BLOBS: Counter "zas_sweep_blobs_total" ["outcome"] "Blobs that the sweeper looked at, by outcome.";
    SWEEP_SESSIONS: Counter "zas_sweep_sessions_total" ["outcome"] "Abandoned upload sessions at the upstream, by outcome.";
    SWEEP_UPLOADS: Counter "zas_sweep_uploads_total" [] "Abandoned multipart uploads that were given up.";
    LIFECYCLE_ACTIONS: Counter "zas_lifecycle_actions_total" ["action"] "What lifecycle rules have done, by action (expire_object, remove_version, remove_marker, abort_upload, skip_locked).";
    LIFECYCLE_PASSES: Counter "zas_lifecycle_passes_total" ["outcome"] "Passes over buckets by lifecycle rules, by outcome (ended, stopped, lost, failed).";
    LIFECYCLE_SECONDS: Histogram "zas_lifecycle_pass_duration_seconds" [] "Seconds that a pass over a bucket by lifecycle rules took, until it ended or was interrupted.";
    SWEEP_SECONDS: Histogram "zas_sweep_duration_seconds" [] "Seconds that one round of the sweeper took.";
    FSCK_FINDINGS: Counter "zas_fsck_findings_total" ["kind", "outcome"] "What `fsck` found, by kind and outcome (left, repaired).";

    // --- artifacts
    DIGEST_BYTES: Counter "zas_digest_read_bytes_total" [] "Bytes of objects that were read once more to learn their digest.";
    DIGEST_SECONDS: Histogram "zas_digest_read_duration_seconds" [] "Seconds that it took to read such an object.";
    REFERRERS_ATTACHED: Counter "zas_referrers_attached_total" ["kind"] "Referrers that were attached here, by kind (signature, sbom, attestation, other).";
    REFERRERS_DELETED: Counter "zas_referrers_deleted_total" [] "Referrers that went, with their bucket, after their object or because they were removed.";

    // --- policies
    POLICY_REVISION: Gauge "zas_policy_revision" [] "Number of changes that the policies known here include.";

    // --- identity
    REVOCATIONS: Gauge "zas_revocations" [] "Revocations known here that have not lapsed; beyond 1,000,000 tokens and sessions are not served.";

    // --- the supply chain
    SIGNING: Counter "zas_signing_operations_total" ["operation", "key", "result"] "Uses of signing keys, by operation (sign, sign_legacy, attest, verdict), name of the key and result (ok, or a code of the error table).";
    SIGNING_SECONDS: Histogram "zas_signing_duration_seconds" ["operation", "key"] "Seconds that it took to make a signature, without attaching it.";
    RULE_SIGNINGS: Counter "zas_signing_rule_objects_total" ["outcome"] "Objects that signing rules of buckets asked for, by outcome of an attempt (signed, already_signed, gone, digest_pending, failed, given_up).";
    RULE_BACKLOG: Gauge "zas_signing_rule_backlog_objects" ["state"] "Objects that wait to be signed by rules, or were given up, by state (waiting, failed).";
    VERIFICATIONS: Counter "zas_verifications_total" ["operation", "policy", "result"] "Verifications of artifacts, by operation (signatures: who has signed; verify: against a policy; cached: a verdict that was there), name of the policy (empty: none that is kept) and result (ok, passed, failed, or a code of the error table).";
    VERIFICATION_SECONDS: Histogram "zas_verification_duration_seconds" ["operation"] "Seconds that a verification took, by operation, with finding the evidence and keeping the verdict.";
    SIGNATURES_CHECKED: Counter "zas_signatures_checked_total" ["by", "signer", "result"] "Signatures that were checked, by whom (verification: somebody has asked; evidence: what was attached was looked at), name of the trusted signer (empty: nobody who is trusted; other: beyond the first 500) and result (ok, or the code of the refusal).";
    VERIFICATION_BACKLOG: Gauge "zas_verification_backlog" [] "Verifications that wait to be carried out.";
    VERDICTS_REFRESHED: Counter "zas_verdicts_refreshed_total" ["outcome"] "Verdicts that had lapsed and were to be made anew by themselves, by outcome (refreshed, gone, failed).";
    VERDICTS_UNSIGNED: Counter "zas_verdicts_unsigned_total" [] "Verdicts that were kept unsigned though a key for verdicts is configured, for they could not be signed or attached; each is tried again.";
    TRUST_REVISION: Gauge "zas_trust_revision" [] "Number of changes that what is known here of trusted keys and identities includes.";

    EVIDENCE_LOOKS: Counter "zas_evidence_looks_total" ["scope"] "Artifacts that were looked at for what was attached to them, by where they are (bucket, repository).";
    EVIDENCE_SECONDS: Histogram "zas_evidence_look_duration_seconds" [] "Seconds that it took to look at one.";
    SBOMS_INDEXED: Counter "zas_sboms_indexed_total" ["carried"] "Bills of materials that were put into the index, by how they are carried (referrer, statement, attestation).";
    GATE_DECISIONS: Counter "zas_gate_decisions_total" ["outcome"] "Requests that depended on what is said of an artifact, by outcome (allowed, audited, audited_unknown, denied, unknown).";

    // --- directories of issuers
    DIRECTORY_ROUNDS: Counter "zas_directory_rounds_total" ["issuer", "outcome"] "Rounds over the people of an issuer who own access keys or sessions, by outcome (ok, incomplete, refused, error).";
    DIRECTORY_SECONDS: Histogram "zas_directory_round_duration_seconds" ["issuer"] "Seconds that one such round took.";
    DIRECTORY_REVOKED: Counter "zas_directory_revoked_total" ["issuer"] "People who were revoked because their issuer has them disabled or no longer.";
    DIRECTORY_CONFIRMED: Gauge "zas_directory_confirmed_timestamp_seconds" ["issuer"] "When this replica last went round without a failure, in seconds since 1970.";

    // --- audit
    AUDIT_RECORDS: Counter "zas_audit_records_total" ["kind"] "Audit records that were written, by kind.";
    AUDIT_QUEUE: Gauge "zas_audit_queue_records" [] "Audit records that wait to be committed.";
    AUDIT_LOST: Counter "zas_audit_lost_records_total" [] "Audit records that could not be written; each gap is itself on record.";
    AUDIT_LAG: Gauge "zas_audit_unsealed_age_seconds" [] "Age of the oldest audit record that no seal covers yet, in seconds.";
    AUDIT_CHECKPOINT_AGE: Gauge "zas_audit_checkpoint_age_seconds" [] "Age of the last signed checkpoint in seconds.";
    AUDIT_WEBHOOK: Counter "zas_audit_webhook_deliveries_total" ["webhook", "outcome"] "Batches of audit records that were posted, by webhook and outcome (ok, error).";
    AUDIT_UNTOLD: Counter "zas_audit_webhook_untold_records_total" ["webhook"] "Audit records that were retired before a webhook was told of them.";

    // --- events of objects
    EVENT_DELIVERIES: Counter "zas_event_deliveries_total" ["target", "outcome"] "Events that were posted, by target and outcome (ok, failed: it comes again, given_up: it is dead).";
    EVENT_BACKLOG: Gauge "zas_event_backlog" ["target", "state"] "Events that were not taken, by target and state (pending, dead).";
    EVENT_AGE: Gauge "zas_event_oldest_pending_age_seconds" ["target"] "Age of the oldest event that waits for a target, in seconds.";
    EVENTS_OVERFLOWED: Counter "zas_events_overflowed_total" [] "Events that are dead because too many of their bucket waited for their target.";
    EVENTS_FORGOTTEN: Counter "zas_events_forgotten_total" ["target"] "Dead events that were forgotten, for nobody has asked for them in time.";

    // --- the process
    BUILD_INFO: Gauge "zas_build_info" ["version"] "Always 1; the version of this process is in the label.";
}

/// Upper bounds of the histograms of seconds, as OpenTelemetry's HTTP conventions have them.
pub(super) const SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Upper bounds of the histograms of transfers, which may take long: from 5 ms to 10 minutes.
pub(super) const TRANSFER_SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0];

/// Upper bounds of the histograms of sizes: from 1 KiB to 64 GiB, each eight times the last where it matters.
pub(super) const BYTES: &[f64] = &[
    1024.0,
    8192.0,
    65_536.0,
    524_288.0,
    1_048_576.0,
    8_388_608.0,
    67_108_864.0,
    536_870_912.0,
    5_368_709_120.0,
    68_719_476_736.0,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_follow_the_conventions_of_prometheus() {
        for metric in ALL {
            assert!(metric.name.starts_with("zas_"), "{}", metric.name);
            assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
            assert!(metric.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
        }
    }

    #[test]
    fn every_metric_of_the_supply_chain_is_in_its_docs_with_its_labels_and_a_panel() {
        const DOCS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/supply-chain.md"));
        const OURS: [&str; 8] = ["sign", "verif", "verdict", "trust", "evidence", "sboms", "gate", "referrers"];
        let is_ours = |metric: &&Metric| OURS.iter().any(|word| metric.name.starts_with(&format!("zas_{word}")));
        for metric in ALL.iter().filter(is_ours) {
            let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
            let cells = format!("| `{}` | {}", metric.name, labels.join(", "));
            let row = DOCS.lines().find(|line| line.starts_with(&cells));
            assert!(row.is_some_and(|row| row.contains("* / ")), "{cells}");
        }
    }

    #[test]
    fn no_name_is_there_twice() {
        let names: HashSet<_> = ALL.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), ALL.len());
    }
}
