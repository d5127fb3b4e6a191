//! The client to the upstream registry: blobs, upload sessions, manifests, referrers.
//!
//! Speaks nothing but the OCI distribution API, so that every registry that keeps to it can stand behind us; what a stock
//! Zot does otherwise is written down in `docs/zot.md`. Retry (`retry.rs`) and breaker (`breaker.rs`) stand around every request.
//! What does not live here: which blob belongs to whom (`index`), and when it may go (`blobs`).

use std::ops::Range;
use std::pin::Pin;

use bytes::Bytes;
use futures::Stream;

use crate::config;
use crate::digest::Digest;
use crate::error::{Error, Result};

/// Bytes on their way; an error ends them.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send + 'static>>;

/// One upstream registry. Cheap to clone; clones share connections, breaker and retry budget.
#[derive(Debug, Clone)]
pub struct Store {
    config: config::Store,
}

/// An upload session that is open at the registry.
#[derive(Debug)]
pub struct UploadSession {
    location: String,
}

/// A manifest as the registry keeps it.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Its media type.
    pub media_type: String,
    /// Its digest, checked against the bytes.
    pub digest: Digest,
    /// Its bytes.
    pub bytes: Bytes,
}

/// A descriptor in a list of referrers (OCI image-spec, "Content Descriptors").
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Media type of the target.
    pub media_type: String,
    /// Digest of the target.
    pub digest: String,
    /// Size of the target in bytes.
    pub size: u64,
    /// What kind of artifact it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<std::collections::BTreeMap<String, String>>,
}

impl Store {
    /// A client by configuration; opens no connection yet.
    /// # Errors
    /// The URL or the TLS setup cannot be used.
    pub fn new(config: &config::Store) -> Result<Self> {
        Ok(Self { config: config.clone() })
    }

    /// The store's name in the index.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// Stores a body held in memory by one `POST ?digest=`; safe to repeat. A 202 is followed by PUT as the specification says.
    /// # Errors
    /// `UpstreamUnavailable`; `InternalError` where the registry finds another digest.
    pub async fn put_blob(&self, repository: &str, digest: &Digest, body: Bytes) -> Result<()> {
        Err(Error::internal(format!("{repository}{digest}{body:?}")))
    }

    /// Opens an upload session.
    /// # Errors
    /// `UpstreamUnavailable`.
    pub async fn start_upload(&self, repository: &str) -> Result<UploadSession> {
        Err(Error::internal(repository))
    }

    /// Cancels a session by its location; one that is gone counts as cancelled.
    /// # Errors
    /// `UpstreamUnavailable`.
    pub async fn cancel_upload(&self, location: &str) -> Result<()> {
        Err(Error::internal(location))
    }

    /// Streams `range` of a blob of `size` bytes. A body that ends early, or a wrong length, is an error at the end of the stream, never a short success.
    /// Whole-blob reads are checked against the digest as they pass.
    /// # Errors
    /// `BlobUnknown`, `UpstreamUnavailable`.
    pub async fn get_blob(
        &self,
        repository: &str,
        digest: &Digest,
        size: u64,
        range: Range<u64>,
    ) -> Result<ByteStream> {
        Err(Error::internal(format!("{repository}{digest}{size}{range:?}")))
    }

    /// A blob's size, `None` where it is not there.
    /// # Errors
    /// `UpstreamUnavailable`.
    pub async fn head_blob(&self, repository: &str, digest: &Digest) -> Result<Option<u64>> {
        Err(Error::internal(format!("{repository}{digest}")))
    }

    /// Deletes a blob; whether it was there.
    /// # Errors
    /// `UpstreamUnavailable`, or `InternalError` where the registry refuses.
    pub async fn delete_blob(&self, repository: &str, digest: &Digest) -> Result<bool> {
        Err(Error::internal(format!("{repository}{digest}")))
    }

    /// Stores a manifest under a tag or its digest.
    /// # Errors
    /// `UpstreamUnavailable`, `InternalError` where the registry refuses.
    pub async fn put_manifest(
        &self,
        repository: &str,
        reference: &str,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Digest> {
        Err(Error::internal(format!("{repository}{reference}{media_type}{bytes:?}")))
    }

    /// A manifest by tag or digest.
    /// # Errors
    /// `UpstreamUnavailable`.
    pub async fn get_manifest(&self, repository: &str, reference: &str) -> Result<Option<Manifest>> {
        Err(Error::internal(format!("{repository}{reference}")))
    }

    /// Deletes a manifest or a tag; whether it was there.
    /// # Errors
    /// `UpstreamUnavailable`.
    pub async fn delete_manifest(&self, repository: &str, reference: &str) -> Result<bool> {
        Err(Error::internal(format!("{repository}{reference}")))
    }

    /// What refers to a manifest, filtered by artifact type where one is given.
    /// # Errors
    /// `UpstreamUnavailable`.
    pub async fn referrers(
        &self,
        repository: &str,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>> {
        Err(Error::internal(format!("{repository}{subject}{artifact_type:?}")))
    }

    /// A page of repository names behind `last`, at most `limit`, and whether there are more.
    /// # Errors
    /// `UpstreamUnavailable`.
    pub async fn catalog(&self, last: &str, limit: u32) -> Result<(Vec<String>, bool)> {
        Err(Error::internal(format!("{last}{limit}")))
    }

    /// Asks the registry for an answer, within two seconds, past retry and breaker.
    /// # Errors
    /// `UpstreamUnavailable`.
    pub async fn ping(&self) -> Result<()> {
        Err(Error::internal(""))
    }
}

impl UploadSession {
    /// Path and query at the registry: what [`Store::cancel_upload`] takes.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Sends bytes as they come; how many it was. After an error the session cannot be used again.
    /// # Errors
    /// The stream's own error, or `UpstreamUnavailable`.
    pub async fn append(&mut self, bytes: ByteStream) -> Result<u64> {
        drop(bytes);
        Err(Error::internal(""))
    }

    /// Finishes the upload: when it returns the blob is durable.
    /// # Errors
    /// `UpstreamUnavailable`; `InternalError` where the registry finds another digest.
    pub async fn finish(self, digest: &Digest, size: u64) -> Result<()> {
        Err(Error::internal(format!("{digest}{size}")))
    }
}
