//! What a run looks at and mends ([`Options`], saved with it), and how hard it tries ([`Effort`], told anew each time).

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Repair, Tally};
use crate::digest::{Digest, Hasher};

/// What a run looks at and mends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// The share of blobs whose bytes are read and hashed, from 0 to 1.
    pub read_share: f64,
    /// How long something that should end by itself may be overdue.
    pub stale_after: Duration,
    /// What is mended.
    pub repairs: BTreeSet<Repair>,
    /// The folder of the registry's store of S3 bytes, in the OCI image layout: the only way to find blobs that the index does
    /// not know, for no API of a registry lists blobs.
    pub registry_root: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self { read_share: 0.0, stale_after: Duration::from_secs(3600), repairs: BTreeSet::new(), registry_root: None }
    }
}

/// How hard a run tries.
#[derive(Debug, Clone)]
pub struct Effort {
    /// Requests to the registry a second.
    pub requests_per_second: u64,
    /// Bytes that are read from the registry a second.
    pub bytes_per_second: u64,
    /// Blobs that are looked at at once.
    pub concurrency: usize,
    /// Rows of the index that are asked for at once.
    pub page: u32,
    /// How long a registry that is in trouble is waited for.
    pub patience: Duration,
    /// How often the run is saved.
    pub save_every: Duration,
    /// The longest that a statement may take; a bucket is counted by one.
    pub statement_timeout: Duration,
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            requests_per_second: 100,
            bytes_per_second: 50 << 20,
            concurrency: 8,
            page: 500,
            patience: Duration::from_secs(300),
            save_every: Duration::from_secs(3),
            statement_timeout: Duration::from_secs(3600),
        }
    }
}

impl Options {
    /// Whether a blob is among those whose bytes are read: always the same ones in one run, others in another.
    pub(super) fn reads(&self, run: i64, digest: &Digest) -> bool {
        let mut hasher = Hasher::default();
        hasher.update(&run.to_be_bytes());
        hasher.update(digest.as_bytes());
        let drawn = hasher.finish();
        let [a, b, c, d, ..] = *drawn.as_bytes();
        f64::from(u32::from_be_bytes([a, b, c, d])) < self.read_share * (f64::from(u32::MAX) + 1.0)
    }

    /// What a run with these options does not look at.
    pub(super) fn not_looked_at(&self, tally: &Tally) -> Vec<String> {
        let mut lines = Vec::new();
        if self.read_share <= 0.0 {
            lines.push("bytes: the registry was asked for sizes only (--read-data)".to_owned());
        } else if self.read_share < 1.0 {
            lines.push(format!("bytes of all blobs but a share of {}, drawn anew in each run", self.read_share));
        }
        if self.registry_root.is_none() {
            let text = "blobs at the registry that the index does not know: no API lists blobs (--registry-root)";
            lines.push(text.to_owned());
        }
        lines.push(
            "manifests without a tag whose subject nothing in the index refers to: no API lists manifests".to_owned(),
        );
        lines.push("repositories that OCI clients push to: the registry alone knows what belongs there".to_owned());
        lines.extend(tally.passed_over.iter().map(|(reason, number)| format!("{reason}: {number}")));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share_read(run: i64, share: f64) -> usize {
        let options = Options { read_share: share, ..Options::default() };
        (0..10_000_u32).filter(|n| options.reads(run, &Digest::of(&n.to_be_bytes()))).count()
    }

    #[test]
    fn about_the_share_is_read_and_never_another_one_within_a_run() {
        assert_eq!((share_read(1, 0.0), share_read(1, 1.0)), (0, 10_000));
        assert!((800..1200).contains(&share_read(1, 0.1)), "{}", share_read(1, 0.1));
        let options = Options { read_share: 0.5, ..Options::default() };
        let drawn = |run| (0..64_u8).map(|n| options.reads(run, &Digest::of(&[n]))).collect::<Vec<_>>();
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }

    #[test]
    fn what_was_saved_is_read_again() {
        let options = Options {
            read_share: 0.25,
            repairs: [Repair::Counters, Repair::Copies].into(),
            registry_root: Some("/srv/zot".into()),
            ..Options::default()
        };
        let saved = serde_json::to_value(&options).unwrap();
        assert_eq!(serde_json::from_value::<Options>(saved).unwrap(), options);
    }

    #[test]
    fn it_is_said_what_was_not_looked_at() {
        let text = |options: Options| options.not_looked_at(&Tally::default()).join("\n");
        let nothing = text(Options::default());
        assert!(nothing.contains("--read-data") && nothing.contains("--registry-root"));
        let everything = text(Options { read_share: 1.0, registry_root: Some("/x".into()), ..Options::default() });
        assert!(!everything.contains("--read-data") && !everything.contains("--registry-root"));
    }
}
