//! Lists of referrers (OCI distribution-spec 1.1, "Listing Referrers"), from the index alone: what an object's list costs does not
//! depend on how many referrers the bucket has.

use http::{HeaderName, HeaderValue, Response, header};
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use super::super::name::ContentDigest;
use super::super::query::Query;
use super::visit::{KEYS, Visit};
use super::{document, value};
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::gateway::Body;
use crate::index::{Referrer, ReferrerRef};

/// The media type of a list.
pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Referrers on a page.
const PAGE: u32 = 1000;

/// Bytes of a page's descriptors; the specification lets clients refuse lists above 4 MiB.
const PAGE_BYTES: usize = 3 << 20;

/// Answers a GET or a HEAD. What one may not read has no referrers, as what is not there.
pub(super) async fn list(visit: &Visit<'_>, digest: &ContentDigest, raw: &str) -> Result<Response<Body>> {
    let mut query = Query::read(raw)?;
    let types = query.take_all("artifactType");
    let last = query.take("last")?.unwrap_or_default();
    let after = last.parse().unwrap_or(0_i64);
    let subject = digest.as_str().parse::<Digest>().ok();
    let page = match &subject {
        Some(subject) => page(visit, subject, &types, after).await?,
        None => None,
    };
    let page = match page {
        Some(page) => page,
        None => match visit.nothing(Code::ManifestUnknown).await {
            error if error.code() == Code::ManifestUnknown => Page::default(),
            error => return Err(error),
        },
    };
    let mut response = document(index_of(&page.descriptors), INDEX, None)?;
    let headers = response.headers_mut();
    if !types.is_empty() {
        headers.insert(HeaderName::from_static("oci-filters-applied"), HeaderValue::from_static("artifactType"));
    }
    if let Some(next) = page.next {
        let mut query = Serializer::new(String::new());
        query.extend_pairs(types.iter().map(|wanted| ("artifactType", wanted)));
        let query = query.append_pair("last", &next.to_string()).finish();
        let link = format!("</v2/{}/referrers/{digest}?{query}>; rel=\"next\"", visit.name);
        headers.insert(header::LINK, value(&link)?);
    }
    Ok(response)
}

/// The same list for clients that look for it under a tag; they take a 404 for "none".
pub(super) async fn list_by_tag(visit: &Visit<'_>, subject: &Digest) -> Result<Response<Body>> {
    match page(visit, subject, &[], 0).await? {
        Some(page) if !page.descriptors.is_empty() => {
            let bytes = index_of(&page.descriptors);
            let digest = Digest::of(bytes.as_bytes());
            document(bytes, INDEX, Some(&digest))
        }
        _ => Err(visit.nothing(Code::ManifestUnknown).await),
    }
}

/// The object at the end of the chain of subjects, where there is one of that digest or was one.
pub(super) async fn root_of(visit: &Visit<'_>, subject: &Digest) -> Result<Digest> {
    let (index, bucket) = (&visit.app.index, visit.folder.bucket());
    let referrer = index.referrer(bucket, ReferrerRef::Digest(subject)).await?;
    Ok(referrer.map_or(*subject, |referrer| referrer.root))
}

#[derive(Default)]
struct Page {
    descriptors: Vec<Value>,
    next: Option<i64>,
}

/// A page of a list; `None` where the caller may not read it.
async fn page(visit: &Visit<'_>, subject: &Digest, types: &[String], after: i64) -> Result<Option<Page>> {
    let root = root_of(visit, subject).await?;
    let Some(permit) = visit.permit_referrers(&[root]).await? else { return Ok(None) };
    let bucket = visit.folder.bucket();
    let found = visit.app.index.list_referrers(bucket, subject, types, after, PAGE.min(KEYS)).await?;
    let (mut page, mut bytes) = (Page::default(), 0);
    let mut last = after;
    for referrer in &found.referrers {
        let descriptor = descriptor(referrer);
        bytes += descriptor.to_string().len();
        if bytes > PAGE_BYTES && !page.descriptors.is_empty() {
            page.next = Some(last);
            break;
        }
        last = referrer.id;
        page.descriptors.push(descriptor);
    }
    if found.truncated && page.next.is_none() {
        page.next = Some(last);
    }
    visit.record(&permit, 200, Some(subject)).await?;
    Ok(Some(page))
}

fn descriptor(referrer: &Referrer) -> Value {
    let mut descriptor = json!({
        "mediaType": referrer.media_type,
        "digest": referrer.digest.to_string(),
        "size": referrer.size,
    });
    if let Some(fields) = descriptor.as_object_mut() {
        if let Some(artifact_type) = &referrer.artifact_type {
            fields.insert("artifactType".to_owned(), json!(artifact_type));
        }
        if !referrer.annotations.is_empty() {
            fields.insert("annotations".to_owned(), json!(referrer.annotations));
        }
    }
    descriptor
}

fn index_of(descriptors: &[Value]) -> String {
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": descriptors }).to_string()
}

/// The digests that a list names which a client has pushed under a tag.
///
/// # Errors
/// `ManifestInvalid` where it is no list.
pub(super) fn named_in(list: &[u8]) -> Result<Vec<Digest>> {
    let invalid = || Error::new(Code::ManifestInvalid, "The list of referrers is no OCI image index.");
    let list: Value = serde_json::from_slice(list).map_err(|_| invalid())?;
    let manifests = list.get("manifests").and_then(Value::as_array).ok_or_else(invalid)?;
    let digest = |one: &Value| one.get("digest").and_then(Value::as_str)?.parse().ok();
    manifests.iter().map(|one| digest(one).ok_or_else(invalid)).collect()
}
