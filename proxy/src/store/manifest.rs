//! Manifests: put, get, delete; and the list of repositories.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, LINK};
use http::{HeaderValue, Method, StatusCode};
use serde::Deserialize;

use super::call::Call;
use super::retry::Repeat;
use super::{Inner, Manifest, ManifestHead, Store, response, target};
use crate::digest::Digest;
use crate::error::{Code, Error, Result};

/// Longest document that is read from a registry. The specification lets registries refuse manifests above 4 MiB; a list
/// of referrers may be longer.
pub(super) const DOCUMENT_BYTES: usize = 16 << 20;

static MANIFEST_TYPES: [(HeaderName, HeaderValue); 1] = [(
    ACCEPT,
    HeaderValue::from_static(
        "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
         application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json",
    ),
)];

impl Store {
    /// Stores a manifest under a tag or its digest. Where the registry keeps no list of referrers, the manifest is
    /// entered in its subject's list by us.
    /// # Errors
    /// `UpstreamUnavailable`, `ManifestTooLarge`, `ManifestInvalid`; `InternalError` where the registry refuses otherwise.
    pub async fn put_manifest(
        &self,
        repository: &str,
        reference: &str,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Digest> {
        let digest = Digest::of(&bytes);
        let lists_referrers = self.inner.put_manifest(repository, reference, media_type, bytes.clone()).await?;
        if !lists_referrers {
            self.inner.list_as_referrer(repository, media_type, &digest, &bytes).await?;
        }
        Ok(digest)
    }

    /// A manifest by tag or digest.
    /// # Errors
    /// `UpstreamUnavailable`; `InternalError` where its bytes are not those of its digest.
    pub async fn get_manifest(&self, repository: &str, reference: &str) -> Result<Option<Manifest>> {
        self.inner.get_manifest(repository, reference).await
    }

    /// What a tag or digest stands for, without its bytes.
    /// # Errors
    /// `UpstreamUnavailable`; `InternalError` where the registry refuses.
    pub async fn head_manifest(&self, repository: &str, reference: &str) -> Result<Option<ManifestHead>> {
        self.inner.head_manifest(repository, reference).await
    }

    /// Deletes a manifest or a tag; whether it was there.
    /// # Errors
    /// `UpstreamUnavailable`; `InternalError` where the registry refuses.
    pub async fn delete_manifest(&self, repository: &str, reference: &str) -> Result<bool> {
        let target = target::manifest(repository, reference)?;
        self.inner.delete(Call::new("delete_manifest", Method::DELETE, target, Repeat::Always)).await
    }

    /// A page of repository names behind `last`, at most `limit`, and whether there are more.
    /// # Errors
    /// `UpstreamUnavailable`; `InternalError` where the registry does not answer with a list.
    pub async fn catalog(&self, last: &str, limit: u32) -> Result<(Vec<String>, bool)> {
        #[derive(Deserialize)]
        struct Page {
            repositories: Option<Vec<String>>,
        }

        let call = Call::new("catalog", Method::GET, target::catalog(last, limit), Repeat::Always);
        let response = self.inner.call(call).await?.response;
        if response.status() != StatusCode::OK {
            return Err(response::refused(response, "catalog").await);
        }
        let more = response.headers().contains_key(LINK);
        let bytes = response::document(response, DOCUMENT_BYTES, self.inner.config.stall_timeout).await?;
        let page: Page = serde_json::from_slice(&bytes).map_err(|e| Error::internal("no catalog page").source(e))?;
        Ok((page.repositories.unwrap_or_default(), more))
    }

    /// A page of a repository's tags behind `last`, at most `limit`, and whether there are more; none of a repository that is not there.
    /// # Errors
    /// `UpstreamUnavailable`; `InternalError` where the registry does not answer with a list.
    pub async fn tags(&self, repository: &str, last: &str, limit: u32) -> Result<(Vec<String>, bool)> {
        #[derive(Deserialize)]
        struct Page {
            tags: Option<Vec<String>>,
        }

        let call = Call::new("tags", Method::GET, target::tags(repository, last, limit)?, Repeat::Always);
        let response = self.inner.call(call).await?.response;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok((Vec::new(), false)),
            _ => return Err(response::refused(response, "tags").await),
        }
        let more = response.headers().contains_key(LINK);
        let bytes = response::document(response, DOCUMENT_BYTES, self.inner.config.stall_timeout).await?;
        let page: Page = serde_json::from_slice(&bytes).map_err(|e| Error::internal("no list of tags").source(e))?;
        Ok((page.tags.unwrap_or_default(), more))
    }
}

impl Inner {
    /// Stores a manifest; whether the registry takes care of its list of referrers, as one without a subject needs none.
    pub(super) async fn put_manifest(
        &self,
        repository: &str,
        reference: &str,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<bool> {
        let digest = Digest::of(&bytes);
        let content_type = HeaderValue::try_from(media_type)
            .map_err(|e| Error::internal(format!("not a media type: {media_type:?}")).source(e))?;
        let headers = [(CONTENT_TYPE, content_type)];
        let call = Call::new("put_manifest", Method::PUT, target::manifest(repository, reference)?, Repeat::Always)
            .headers(&headers)
            .body(bytes);
        let response = self.call(call).await?.response;
        match response.status() {
            StatusCode::CREATED => {
                response::check_digest(response.headers(), &digest)?;
                Ok(response.headers().contains_key("oci-subject"))
            }
            StatusCode::PAYLOAD_TOO_LARGE => Err(Code::ManifestTooLarge.into()),
            StatusCode::BAD_REQUEST => {
                Err(Error::from(Code::ManifestInvalid).source(response::refused(response, "put_manifest").await))
            }
            _ => Err(response::refused(response, "put_manifest").await),
        }
    }

    /// A registry that does not say the digest, as it need not, is asked for the manifest.
    async fn head_manifest(&self, repository: &str, reference: &str) -> Result<Option<ManifestHead>> {
        let call = Call::new("head_manifest", Method::HEAD, target::manifest(repository, reference)?, Repeat::Always)
            .headers(&MANIFEST_TYPES);
        let response = self.call(call).await?.response;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            _ => return Err(response::refused(response, "head_manifest").await),
        }
        let said = response::header(response.headers(), response::CONTENT_DIGEST);
        if let Some(digest) = said.and_then(|text| text.parse().ok()) {
            let media_type = response::header(response.headers(), CONTENT_TYPE).unwrap_or_default().to_owned();
            return Ok(Some(ManifestHead { media_type, digest }));
        }
        let manifest = self.get_manifest(repository, reference).await?;
        Ok(manifest.map(|Manifest { media_type, digest, .. }| ManifestHead { media_type, digest }))
    }

    pub(super) async fn get_manifest(&self, repository: &str, reference: &str) -> Result<Option<Manifest>> {
        let call = Call::new("get_manifest", Method::GET, target::manifest(repository, reference)?, Repeat::Always)
            .headers(&MANIFEST_TYPES);
        let response = self.call(call).await?.response;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            _ => return Err(response::refused(response, "get_manifest").await),
        }
        let media_type = response::header(response.headers(), CONTENT_TYPE).unwrap_or_default().to_owned();
        let headers = response.headers().clone();
        let bytes = response::document(response, DOCUMENT_BYTES, self.config.stall_timeout).await?;
        let digest = Digest::of(&bytes);
        response::check_digest(&headers, &digest)?;
        if reference.parse::<Digest>().is_ok_and(|asked| asked != digest) {
            return Err(Error::internal(format!("the registry sends bytes of {digest} as {reference}")));
        }
        Ok(Some(Manifest { media_type, digest, bytes }))
    }
}
