//! Uploads and downloads, of S3 objects and through the OCI door alike.

use std::time::{Duration, Instant};

use ::metrics::{Label, counter, histogram};

use super::{labels, names};

/// What is moved, as labels say it.
#[derive(Debug, Clone)]
pub struct Item {
    owner: Label,
    kind: Label,
}

impl Item {
    /// An object or a part of one; the bucket exists.
    #[must_use]
    pub fn object(bucket: &str, content_type: &str) -> Self {
        Self::new(Label::new("bucket", labels::bucket(bucket)), labels::content_type(content_type))
    }

    /// A blob of a repository; the repository exists.
    #[must_use]
    pub fn blob(repository: &str) -> Self {
        Self::new(Label::new("repository", labels::repository(repository)), "blob")
    }

    /// A manifest of a repository; the repository exists.
    #[must_use]
    pub fn manifest(repository: &str, media_type: &str) -> Self {
        Self::new(Label::new("repository", labels::repository(repository)), labels::manifest_type(media_type))
    }

    fn new(owner: Label, kind: &'static str) -> Self {
        Self { owner, kind: Label::from_static_parts("type", kind) }
    }

    fn labels(&self) -> Vec<Label> {
        vec![self.owner.clone(), self.kind.clone()]
    }

    fn owner(&self) -> Vec<Label> {
        vec![self.owner.clone()]
    }
}

/// Counts an upload of one request that was acknowledged.
pub fn upload(item: &Item, bytes: u64, duration: Duration) {
    upload_bytes(item, bytes);
    upload_done(item, Some((bytes, duration)));
}

/// Counts bytes of an upload that were acknowledged; the upload itself may still go on.
pub fn upload_bytes(item: &Item, bytes: u64) {
    counter!(names::UPLOAD_BYTES, item.labels()).increment(bytes);
}

/// Counts an upload whose bytes were counted as they came; `whole` is its size and how long it took, where that is known.
pub fn upload_done(item: &Item, whole: Option<(u64, Duration)>) {
    counter!(names::UPLOADS, item.labels()).increment(1);
    if let Some((bytes, duration)) = whole {
        histogram!(names::UPLOAD_SIZE, item.owner()).record(to_f64(bytes));
        histogram!(names::UPLOAD_SECONDS, item.owner()).record(duration);
    }
}

/// Counts a download that has ended; `bytes` were sent.
pub fn download(item: &Item, bytes: u64, duration: Duration, is_complete: bool) {
    let mut labels = item.labels();
    labels.push(Label::from_static_parts("outcome", if is_complete { "complete" } else { "cut" }));
    counter!(names::DOWNLOADS, labels).increment(1);
    counter!(names::DOWNLOAD_BYTES, item.labels()).increment(bytes);
    if is_complete {
        histogram!(names::DOWNLOAD_SIZE, item.owner()).record(to_f64(bytes));
        histogram!(names::DOWNLOAD_SECONDS, item.owner()).record(duration);
    }
}

/// A download under way. It is counted when this is dropped: as complete where [`Download::complete`] ended it, else as
/// cut, with the bytes that were sent until then.
#[derive(Debug)]
#[must_use = "a download counts when this is dropped"]
pub struct Download {
    item: Item,
    begun: Instant,
    sent: u64,
    is_complete: bool,
}

impl Download {
    /// A download that began at `begun`.
    pub const fn new(item: Item, begun: Instant) -> Self {
        Self { item, begun, sent: 0, is_complete: false }
    }

    /// So many more bytes are on their way to the client.
    pub const fn sent(&mut self, bytes: u64) {
        self.sent = self.sent.saturating_add(bytes);
    }

    /// All that was asked for has been sent.
    pub fn complete(mut self) {
        self.is_complete = true;
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        download(&self.item, self.sent, self.begun.elapsed(), self.is_complete);
    }
}

#[expect(clippy::cast_precision_loss, reason = "a histogram's bucket does not need the last bits of a size")]
const fn to_f64(bytes: u64) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests {
    use super::super::metrics::rendered;
    use super::*;

    #[test]
    fn an_upload_is_counted_by_bucket_type_size_and_duration() {
        let text = rendered(|| upload(&Item::object("releases", "image/png"), 5000, Duration::from_secs(30)));
        for line in [
            r#"zas_uploads_total{bucket="releases",type="image"} 1"#,
            r#"zas_upload_bytes_total{bucket="releases",type="image"} 5000"#,
            r#"zas_upload_size_bytes_bucket{bucket="releases",le="1024"} 0"#,
            r#"zas_upload_size_bytes_bucket{bucket="releases",le="8192"} 1"#,
            r#"zas_upload_duration_seconds_bucket{bucket="releases",le="10"} 0"#,
            r#"zas_upload_duration_seconds_bucket{bucket="releases",le="60"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is missing in {text}");
        }
    }

    #[test]
    fn a_complete_download_is_counted_apart_from_uploads_with_size_and_duration() {
        let text = rendered(|| {
            let mut download = Download::new(Item::object("releases", "text/plain"), Instant::now());
            download.sent(4);
            download.sent(5);
            download.complete();
        });
        for line in [
            r#"zas_downloads_total{bucket="releases",type="text",outcome="complete"} 1"#,
            r#"zas_download_bytes_total{bucket="releases",type="text"} 9"#,
            r#"zas_download_size_bytes_sum{bucket="releases"} 9"#,
            r#"zas_download_duration_seconds_count{bucket="releases"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is missing in {text}");
        }
        assert!(!text.contains("zas_uploads_total{"), "{text}");
    }

    #[test]
    fn a_cut_download_counts_the_bytes_that_were_sent_and_neither_size_nor_duration() {
        let text = rendered(|| {
            let mut download = Download::new(Item::object("releases", "text/plain"), Instant::now());
            download.sent(4);
        });
        assert!(text.contains(r#"zas_downloads_total{bucket="releases",type="text",outcome="cut"} 1"#), "{text}");
        assert!(text.contains(r#"zas_download_bytes_total{bucket="releases",type="text"} 4"#), "{text}");
        assert!(!text.contains("zas_download_size_bytes_count"), "{text}");
        assert!(!text.contains("zas_download_duration_seconds_count"), "{text}");
    }

    #[test]
    fn a_repository_has_its_own_label_and_a_blob_is_called_so() {
        let text = rendered(|| {
            upload_bytes(&Item::blob("team/app"), 10);
            upload_done(&Item::blob("team/app"), None);
            download(&Item::manifest("team/app", "x/y"), 2, Duration::ZERO, true);
        });
        for line in [
            r#"zas_uploads_total{repository="team/app",type="blob"} 1"#,
            r#"zas_upload_bytes_total{repository="team/app",type="blob"} 10"#,
            r#"zas_downloads_total{repository="team/app",type="other",outcome="complete"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is missing in {text}");
        }
        assert!(!text.contains("zas_upload_size_bytes_count"), "{text}");
    }
}
