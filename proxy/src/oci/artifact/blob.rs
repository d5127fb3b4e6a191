//! Blobs: the layer of an object, which is its bytes; the empty config of all objects; and what referrers name.
//!
//! A blob is read through something that names it and that the caller may read, never because its digest is known.

use std::ops::Range;
use std::time::Instant;

use bytes::Bytes;
use futures::Stream;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use s3s::dto;
use zas_policy::Resource;

use super::super::name::ContentDigest;
use super::visit::{KEYS, Visit, as_repository};
use super::{CONTENT_DIGEST, document, done, value};
use crate::authz::Permit;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::gateway::Body;
use crate::s3::{object_bytes, range};
use crate::supply_chain::evidence::check_bytes;
use crate::telemetry::{Download, Item};

/// The config of every object's manifest, and of many others (OCI image-spec, "Guidance for an Empty Descriptor").
pub(super) const EMPTY: &[u8] = b"{}";

/// What the bytes of a blob are called.
const OCTETS: &str = "application/octet-stream";

/// How often an object is looked at again that was replaced, and its bytes swept, while it was looked up.
const ATTEMPTS: u32 = 3;

/// What is asked for.
struct Asked<'a> {
    digest: Digest,
    range: Option<dto::Range>,
    is_head: bool,
    begun: Instant,
    visit: &'a Visit<'a>,
}

/// Answers a GET or a HEAD.
pub(super) async fn get(visit: &Visit<'_>, digest: &ContentDigest, parts: &Parts) -> Result<Response<Body>> {
    let Ok(digest) = digest.as_str().parse::<Digest>() else {
        return Err(visit.nothing(Code::BlobUnknown).await);
    };
    // What is no single range of bytes is passed over (RFC 9110, 14.2).
    let range = parts.headers.get(header::RANGE).and_then(|value| dto::Range::parse(value.to_str().ok()?).ok());
    let asked = Asked { digest, range, is_head: parts.method == Method::HEAD, begun: Instant::now(), visit };
    if digest == Digest::of(EMPTY) {
        return asked.of_everything().await;
    }
    for _ in 0..ATTEMPTS {
        match asked.of_object().await {
            Err(error) if error.code() == Code::BlobUnknown => {}
            Ok(None) => break,
            answer => return answer?.ok_or_else(|| Code::BlobUnknown.into()),
        }
    }
    match asked.of_referrer().await? {
        Some(response) => Ok(response),
        None => Err(visit.nothing(Code::BlobUnknown).await),
    }
}

impl Asked<'_> {
    /// The config that all objects share. It says nothing about any of them, but whoever may do nothing here is told nothing.
    async fn of_everything(&self) -> Result<Response<Body>> {
        let Some(permit) = self.visit.permit_anything().await? else {
            return Err(self.visit.nothing(Code::BlobUnknown).await);
        };
        self.recorded(&permit, document(EMPTY, OCTETS, Some(&self.digest))?).await
    }

    /// The layer of an object that the caller may read.
    async fn of_object(&self) -> Result<Option<Response<Body>>> {
        let (app, folder) = (self.visit.app, &self.visit.folder);
        let found = app.index.content_keys(folder.bucket(), folder.prefix(), &self.digest, KEYS).await?;
        let digest_of = |at: usize| found.digests.get(at).copied().flatten();
        let Some(permit) = self.visit.permit_read(&found.keys, digest_of).await? else { return Ok(None) };
        let (wanted, mut response) = self.head(found.size)?;
        if !self.is_head {
            let Resource::Object { bucket, key } = permit.resource() else {
                return Err(Error::internal("an object was permitted that is none"));
            };
            let object = app.index.object(bucket, key).await.map_err(|_| Error::from(Code::BlobUnknown))?;
            let is_permitted = permit.gated().is_for(object.oci_digest.as_ref());
            if object.content_digest != Some(self.digest) || !is_permitted {
                return Err(Code::BlobUnknown.into());
            }
            let content_type = object.head.headers.get("content-type").map_or(OCTETS, String::as_str);
            let download = Download::new(Item::object(bucket, content_type), self.begun);
            let bytes = object_bytes::flow(app, &object, wanted, download).await?;
            *response.body_mut() = self.body(bytes);
        }
        self.recorded(&permit, response).await.map(Some)
    }

    /// A blob that a referrer names whose object the caller may read. The bytes of an object stay what they are, whoever names them: in
    /// whatever folder they are asked for.
    async fn of_referrer(&self) -> Result<Option<Response<Body>>> {
        let (app, bucket) = (self.visit.app, self.visit.folder.bucket());
        let Some(blob) = app.index.referrer_blob(bucket, &self.digest).await.map_err(as_repository)? else {
            return Ok(None);
        };
        check_bytes(app, &self.visit.caller, bucket, &self.digest).await?;
        let Some(permit) = self.visit.permit_referrers(&blob.roots).await? else { return Ok(None) };
        let (wanted, mut response) = self.head(blob.size)?;
        if !self.is_head {
            let length = wanted.end - wanted.start;
            let bytes = app.store.get_blob(&blob.repository, &self.digest, blob.size, wanted).await?;
            let download = Download::new(Item::object(bucket, OCTETS), self.begun);
            let bytes = object_bytes::begin(bytes).await?;
            *response.body_mut() = self.body(object_bytes::counted(bytes, length, download));
        }
        self.recorded(&permit, response).await.map(Some)
    }

    /// The range of a blob of `size` bytes, and the answer without its bytes.
    fn head(&self, size: u64) -> Result<(Range<u64>, Response<Body>)> {
        let range = range::resolve(self.range, size)?;
        let status = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
        let mut response = done(status);
        let headers = response.headers_mut();
        if let Some(range) = &range {
            headers.insert(header::CONTENT_RANGE, value(&range::content_range(range, size))?);
        }
        let wanted = range.unwrap_or(0..size);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(wanted.end - wanted.start));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(OCTETS));
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        headers.insert(CONTENT_DIGEST, value(&self.digest.to_string())?);
        Ok((wanted, response))
    }

    fn body(&self, bytes: impl Stream<Item = Result<Bytes>> + Send + 'static) -> Body {
        StreamBody::new(object_bytes::frames(bytes, self.visit.request_id.clone(), "PullBlob")).boxed_unsync()
    }

    async fn recorded(&self, permit: &Permit, response: Response<Body>) -> Result<Response<Body>> {
        self.visit.record(permit, response.status().as_u16(), Some(&self.digest)).await?;
        Ok(response)
    }
}
