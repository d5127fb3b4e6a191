//! Referrers: what points at a manifest by its `subject` (OCI distribution-spec 1.1, "Listing Referrers").
//!
//! A registry without that API is served by the tag schema: an index under the tag `sha256-<hex>` that clients keep. Two
//! processes that write to the same list at once may lose an entry there; a stock Zot has the API.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use http::header::LINK;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::manifest::DOCUMENT_BYTES;
use super::retry::Repeat;
use super::{Descriptor, Inner, Store, response, target};
use crate::digest::Digest;
use crate::error::{Error, Result};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Pages of a list of referrers that are followed at the most.
const PAGES: usize = 100;

/// An image index, as far as it lists manifests.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    #[serde(default = "two")]
    schema_version: u32,
    #[serde(default = "index_type")]
    media_type: String,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
}

/// What of a manifest goes into its subject's list.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Referrer {
    subject: Option<Target>,
    artifact_type: Option<String>,
    config: Option<Target>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    digest: Option<String>,
    media_type: Option<String>,
}

const fn two() -> u32 {
    2
}

fn index_type() -> String {
    INDEX.to_owned()
}

impl Store {
    /// What refers to a manifest, filtered by artifact type where one is given.
    /// # Errors
    /// `UpstreamUnavailable`; `InternalError` where the registry does not answer with an index.
    pub async fn referrers(
        &self,
        repository: &str,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Vec<Descriptor>> {
        let found = match self.inner.asked_referrers(repository, subject, artifact_type).await? {
            Some(found) => found,
            None => self.inner.tagged_referrers(repository, subject).await?,
        };
        // Filtering is optional for registries.
        let wanted = |d: &Descriptor| artifact_type.is_none_or(|wanted| d.artifact_type.as_deref() == Some(wanted));
        let mut seen = HashSet::new();
        Ok(found.into_iter().filter(wanted).filter(|d| seen.insert(d.digest.clone())).collect())
    }
}

impl Inner {
    /// The list by the API; `None` where the registry has no such API, or nothing of the subject.
    async fn asked_referrers(
        &self,
        repository: &str,
        subject: &Digest,
        artifact_type: Option<&str>,
    ) -> Result<Option<Vec<Descriptor>>> {
        let mut next = Some(target::referrers(repository, subject, artifact_type)?);
        let mut found = Vec::new();
        for _ in 0..PAGES {
            let Some(target) = next.take() else { return Ok(Some(found)) };
            let response = self.call(Call::new("referrers", Method::GET, target, Repeat::Always)).await?.response;
            match response.status() {
                StatusCode::OK => {}
                StatusCode::NOT_FOUND => return Ok(None),
                _ => return Err(response::refused(response, "referrers").await),
            }
            next = match response::header(response.headers(), LINK).and_then(next_page) {
                Some(link) => Some(self.client.origin().local(link)?),
                None => None,
            };
            let bytes = response::document(response, DOCUMENT_BYTES, self.config.stall_timeout).await?;
            found.extend(manifests(&bytes)?);
        }
        Err(Error::internal(format!("more than {PAGES} pages of referrers of {subject}")))
    }

    /// The list that clients keep under a tag.
    async fn tagged_referrers(&self, repository: &str, subject: &Digest) -> Result<Vec<Descriptor>> {
        match self.get_manifest(repository, &tag(subject)).await? {
            Some(index) => manifests(&index.bytes),
            None => Ok(Vec::new()),
        }
    }

    /// Enters a manifest in its subject's list, for a registry that did not say that it does.
    pub(super) async fn list_as_referrer(
        &self,
        repository: &str,
        media_type: &str,
        digest: &Digest,
        bytes: &Bytes,
    ) -> Result<()> {
        let Ok(manifest) = serde_json::from_slice::<Referrer>(bytes) else { return Ok(()) };
        let Some(subject) = manifest.subject.and_then(|subject| subject.digest?.parse().ok()) else { return Ok(()) };
        let entry = Descriptor {
            media_type: media_type.to_owned(),
            digest: digest.to_string(),
            size: bytes.len() as u64,
            artifact_type: manifest.artifact_type.or_else(|| manifest.config?.media_type),
            annotations: manifest.annotations,
        };
        let _one_at_a_time = self.listing.lock().await;
        let mut entries = self.tagged_referrers(repository, &subject).await?;
        if entries.iter().any(|known| known.digest == entry.digest) {
            return Ok(());
        }
        entries.push(entry);
        let index = Index { schema_version: 2, media_type: index_type(), manifests: Some(entries) };
        let index = serde_json::to_vec(&index).map_err(|e| Error::internal("a list of referrers").source(e))?;
        self.put_manifest(repository, &tag(&subject), INDEX, index.into()).await.map(drop)
    }
}

/// The tag of a subject's list.
fn tag(subject: &Digest) -> String {
    format!("sha256-{}", subject.hex())
}

fn manifests(index: &[u8]) -> Result<Vec<Descriptor>> {
    let index: Index = serde_json::from_slice(index).map_err(|e| Error::internal("no list of referrers").source(e))?;
    Ok(index.manifests.unwrap_or_default())
}

/// The target of `<...>; rel="next"` (RFC 8288).
fn next_page(link: &str) -> Option<&str> {
    let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    parameters.replace('"', "").contains("rel=next").then_some(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_in_a_link_header() {
        assert_eq!(next_page("</v2/a/referrers/x?last=1>; rel=\"next\""), Some("/v2/a/referrers/x?last=1"));
        assert_eq!(next_page("</v2/a>; rel=next"), Some("/v2/a"));
        for other in ["", "</v2/a>; rel=prev", "/v2/a; rel=next", "</v2/a"] {
            assert_eq!(next_page(other), None, "{other}");
        }
    }

    #[test]
    fn an_index_with_null_or_no_manifests_is_empty() {
        assert!(manifests(b"{\"schemaVersion\":2,\"manifests\":null}").unwrap().is_empty());
        assert!(manifests(b"{\"schemaVersion\":2}").unwrap().is_empty());
        assert!(manifests(b"\"text\"").is_err());
    }
}
