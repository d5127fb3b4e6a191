//! Label values that clients choose, cut down to bounded sets: whatever arrives, the number of time series stays small.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use ::metrics::SharedString;

/// The label of everything that has none of its own.
const OTHER: &str = "other";

/// The first `limit` distinct names keep their name.
#[derive(Debug)]
struct Names {
    limit: AtomicUsize,
    seen: RwLock<HashSet<Arc<str>>>,
}

impl Default for Names {
    fn default() -> Self {
        Self::new(crate::config::Telemetry::default().bucket_labels)
    }
}

impl Names {
    fn new(limit: usize) -> Self {
        Self { limit: AtomicUsize::new(limit), seen: RwLock::default() }
    }

    fn label(&self, name: &str) -> SharedString {
        if let Some(known) = self.seen.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Arc::clone(known).into();
        }
        if self.is_full(self.seen.read().unwrap_or_else(PoisonError::into_inner).len()) {
            return OTHER.into();
        }
        let mut seen = self.seen.write().unwrap_or_else(PoisonError::into_inner);
        // Others may have come first while the lock was open.
        if !seen.contains(name) && self.is_full(seen.len()) {
            return OTHER.into();
        }
        let name: Arc<str> = name.into();
        seen.insert(Arc::clone(&name));
        name.into()
    }

    fn is_full(&self, seen: usize) -> bool {
        seen >= self.limit.load(Ordering::Relaxed)
    }
}

static BUCKETS: LazyLock<Names> = LazyLock::new(Names::default);
static REPOSITORIES: LazyLock<Names> = LazyLock::new(Names::default);
static SIGNERS: LazyLock<Names> = LazyLock::new(|| Names::new(SIGNER_LABELS));

/// Trusted signers with a label of their own. There may be three times as many, and names change.
const SIGNER_LABELS: usize = 500;

/// Sets how many buckets have a label of their own, and how many repositories.
pub(super) fn limit_names(limit: usize) {
    BUCKETS.limit.store(limit, Ordering::Relaxed);
    REPOSITORIES.limit.store(limit, Ordering::Relaxed);
}

/// The label of a bucket. Only buckets that exist may come here, or else anybody could use the labels up.
pub(super) fn bucket(name: &str) -> SharedString {
    BUCKETS.label(name)
}

/// The label of a signer. Only those who are trusted may come here.
pub(crate) fn signer(name: &str) -> SharedString {
    SIGNERS.label(name)
}

/// The label of a repository. Only repositories that exist may come here.
pub(super) fn repository(name: &str) -> SharedString {
    REPOSITORIES.label(name)
}

/// The media type of a manifest (OCI image-spec "Media Types", and Docker's own), or `other`.
pub(super) fn manifest_type(media_type: &str) -> &'static str {
    const KNOWN: [&str; 6] = [
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.artifact.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    ];
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    KNOWN.into_iter().find(|known| essence.eq_ignore_ascii_case(known)).unwrap_or(OTHER)
}

/// The family of a content type: its top-level type (IANA, "Media Types"), or `other`.
pub(super) fn content_type(content_type: &str) -> &'static str {
    const FAMILIES: [&str; 9] =
        ["application", "audio", "font", "image", "message", "model", "multipart", "text", "video"];
    let family = content_type.split('/').next().unwrap_or_default().trim();
    FAMILIES.into_iter().find(|known| family.eq_ignore_ascii_case(known)).unwrap_or(OTHER)
}

/// The label of an HTTP status.
pub(super) fn status(status: u16) -> SharedString {
    if (100..600).contains(&status) { status.to_string().into() } else { OTHER.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_buckets_keep_their_names_and_all_others_share_one() {
        let names = Names::new(2);
        assert_eq!(&*names.label("a"), "a");
        assert_eq!(&*names.label("b"), "b");
        assert_eq!(&*names.label("c"), OTHER);
        assert_eq!(&*names.label("a"), "a");
        assert_eq!(names.seen.read().unwrap().len(), 2);
    }

    #[test]
    fn threads_that_race_never_pass_the_limit() {
        let names = Names::new(10);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let names = &names;
                scope.spawn(move || {
                    for i in 0..100 {
                        names.label(&format!("bucket-{}", i * 8 + thread));
                    }
                });
            }
        });
        assert_eq!(names.seen.read().unwrap().len(), 10);
    }

    #[test]
    fn with_a_limit_of_none_every_bucket_is_other() {
        assert_eq!(&*Names::new(0).label("a"), OTHER);
    }

    #[test]
    fn content_types_fall_into_a_few_families() {
        assert_eq!(content_type("Image/png"), "image");
        assert_eq!(content_type("text/plain; charset=utf-8"), "text");
        for odd in ["", "/", "x-mine/y", "image", "../../etc"] {
            let expected = if odd == "image" { "image" } else { OTHER };
            assert_eq!(content_type(odd), expected, "{odd}");
        }
    }

    #[test]
    fn manifests_are_told_apart_and_what_is_no_manifest_is_other() {
        let index = "application/vnd.oci.image.index.v1+json";
        assert_eq!(manifest_type("application/vnd.OCI.image.index.v1+json; charset=utf-8"), index);
        for odd in ["", "application/json", "application/vnd.oci.image.index.v1+json2", "x/y"] {
            assert_eq!(manifest_type(odd), OTHER, "{odd}");
        }
    }

    #[test]
    fn a_status_that_is_none_is_other() {
        assert_eq!(&*status(404), "404");
        assert_eq!(&*status(0), OTHER);
        assert_eq!(&*status(999), OTHER);
    }
}
