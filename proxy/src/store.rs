//! The client to the upstream registry: blobs, upload sessions, manifests, referrers.
//!
//! Speaks nothing but the OCI distribution API, so that every registry that keeps to it can stand behind us; what a stock
//! Zot does otherwise is written down in `docs/zot.md`. Retry (`retry.rs`) and breaker (`breaker.rs`) stand around every request.
//! What does not live here: which blob belongs to whom (`index`), and when it may go (`blobs`).

mod blob;
mod breaker;
mod call;
mod client;
mod connect;
mod credentials;
mod failure;
mod forwarded;
mod manifest;
mod origin;
mod read;
mod referrers;
mod request_body;
mod response;
mod retry;
mod target;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod upload;
pub mod zot_config;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use http::{Method, StatusCode};

use self::breaker::Breaker;
use self::client::{Client, Head};
use self::request_body::RequestBody;
use self::retry::Retry;
use crate::config;
use crate::digest::Digest;
use crate::error::Result;

pub use self::credentials::public_key;
pub use self::forwarded::Passage;
pub use self::upload::{SessionEnd, UploadSession};

/// Bytes on their way; an error ends them.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send + 'static>>;

/// How long [`Store::ping`] waits.
const PING_PATIENCE: Duration = Duration::from_secs(2);

/// One upstream registry. Cheap to clone; clones share connections, breaker and retry budget.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// What the clones share.
struct Inner {
    config: config::Store,
    client: Client,
    breaker: Breaker,
    retry: Retry,
    /// Whether the registry is taken to know `POST ?digest=`: until it answers one with 202.
    single_post: AtomicBool,
    /// Held while a list of referrers is changed, for registries that leave that to clients.
    listing: tokio::sync::Mutex<()>,
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

/// What the registry says of a manifest without sending it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestHead {
    /// Its media type.
    pub media_type: String,
    /// Its digest, as the registry says it: whoever asks for the manifest by it gets those bytes or none.
    pub digest: Digest,
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
    /// The URL, the credentials or the TLS setup cannot be used.
    pub fn new(config: &config::Store) -> Result<Self> {
        let inner = Inner {
            client: Client::new(config)?,
            breaker: Breaker::new(&config.name, config.breaker.clone()),
            retry: Retry::new(config.retry.clone()),
            single_post: AtomicBool::new(true),
            listing: tokio::sync::Mutex::new(()),
            config: config.clone(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The store's name in the index.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.config.name
    }

    /// What a request that is forwarded shows the registry, by its path and query there.
    /// # Errors
    /// No token could be signed.
    pub fn credentials(&self, method: &Method, target: &str) -> Result<Option<http::HeaderValue>> {
        self.inner.client.credentials().header(method, target)
    }

    /// Asks the registry for an answer, within two seconds, past retry and breaker.
    /// # Errors
    /// `UpstreamUnavailable`; `InternalError` where it answers, but not as a registry that lets us in.
    pub async fn ping(&self) -> Result<()> {
        let store = &self.inner;
        let head = Head { method: &Method::GET, target: "/v2/", headers: &[] };
        let answer = store.client.send(head, RequestBody::Bytes(Bytes::new()), PING_PATIENCE).await;
        let response = answer.map_err(|failure| store.error(failure, "ping", 1))?;
        match response.status() {
            StatusCode::OK => Ok(()),
            _ => Err(response::refused(response, "ping").await),
        }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("name", &self.config.name).field("url", &self.config.url).finish_non_exhaustive()
    }
}
