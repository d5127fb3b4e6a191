//! Manifests: reading, putting and deleting, by tag and by digest.

use std::sync::Arc;

use bytes::Bytes;
use http::{
    Method, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION},
};
use serde_json::json;

use super::{Call, blocking, lock_manifests, repository};
use crate::{
    body,
    digest::{Algorithm, Digest},
    error::{ApiError, Code},
    manifest::{self, Manifest},
    name::{Reference, RepositoryName, Tag},
    registry::Inner,
    response::{self, Answer, DOCKER_CONTENT_DIGEST, OCI_SUBJECT, OCI_TAG, WithHeader},
    storage::{
        index::Entry,
        repository::{NewManifest, Repository},
    },
};

/// Tags that one PUT may set; the specification asks for ten at least.
const MAX_TAGS: usize = 100;

fn unknown() -> ApiError {
    ApiError::new(Code::ManifestUnknown, "no such manifest in the repository")
}

pub(super) async fn get(name: RepositoryName, reference: Reference, call: Call<'_>) -> Answer {
    let repository = repository(call.inner, &name)?;
    let head = call.parts.method == Method::HEAD;
    let (digest, media_type, size, bytes) = blocking(move || {
        let index = repository.index()?;
        let digest = match reference {
            Reference::Digest(digest) => digest,
            Reference::Tag(tag) => index.tag(&tag).ok_or_else(unknown)?.clone(),
        };
        let entry = index.manifest(&digest).ok_or_else(unknown)?;
        let bytes = if head { Vec::new() } else { repository.read_manifest(&digest)?.ok_or_else(unknown)? };
        let size = if head { entry.size } else { bytes.len() as u64 };
        Ok((digest, entry.media_type.clone(), size, bytes))
    })
    .await?;
    Response::new(body::full(bytes))
        .with(CONTENT_TYPE, media_type)?
        .with(CONTENT_LENGTH, size)?
        .with(DOCKER_CONTENT_DIGEST, digest)
}

pub(super) async fn put(name: RepositoryName, reference: Reference, call: Call<'_>) -> Answer {
    let tags = tags(&reference, &call)?;
    let content_type = call.header(CONTENT_TYPE).map(str::to_owned);
    let bytes = read(call.inner.options.max_manifest_bytes, call.parts, call.body).await?;
    let manifest = manifest::parse(content_type.as_deref(), &bytes)?;
    let digest = verify(&reference, &bytes)?;
    let subject = manifest.subject.clone();
    store(
        call.inner.clone(),
        name.clone(),
        NewManifestParts { digest: digest.clone(), bytes, manifest, tags: tags.clone() },
    )
    .await?;

    let mut response = response::status(StatusCode::CREATED)
        .with(LOCATION, format!("/v2/{name}/manifests/{digest}"))?
        .with(DOCKER_CONTENT_DIGEST, digest)?;
    if let Some(subject) = subject {
        response = response.with(OCI_SUBJECT, subject)?;
    }
    if matches!(reference, Reference::Digest(_)) {
        response = tags.iter().try_fold(response, |response, tag| response.with(OCI_TAG, tag))?;
    }
    Ok(response)
}

/// The tags to set: the reference itself, or the `tag` parameters beside a digest.
fn tags(reference: &Reference, call: &Call<'_>) -> Result<Vec<Tag>, ApiError> {
    if let Reference::Tag(tag) = reference {
        return Ok(vec![tag.clone()]);
    }
    if call.query.all("tag").count() > MAX_TAGS {
        let error = ApiError::new(Code::ManifestInvalid, "too many tags in one request");
        return Err(error.status(StatusCode::URI_TOO_LONG));
    }
    Ok(call.query.all("tag").map(str::parse).collect::<Result<_, _>>()?)
}

async fn read(limit: u64, parts: &http::request::Parts, body: &mut body::RequestBody) -> Result<Bytes, ApiError> {
    let too_large = || {
        ApiError::new(Code::SizeInvalid, "the manifest is larger than the registry accepts")
            .status(StatusCode::PAYLOAD_TOO_LARGE)
    };
    let announced = parts.headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    body.collect(limit).await?.ok_or_else(too_large)
}

fn verify(reference: &Reference, bytes: &[u8]) -> Result<Digest, ApiError> {
    let Reference::Digest(expected) = reference else { return Ok(Digest::of(Algorithm::Sha256, bytes)) };
    let actual = Digest::of(expected.algorithm(), bytes);
    if actual == *expected {
        return Ok(actual);
    }
    Err(ApiError::new(Code::DigestInvalid, "the manifest does not have the digest that was given")
        .detail(json!({ "actual": actual.to_string() })))
}

struct NewManifestParts {
    digest: Digest,
    bytes: Bytes,
    manifest: Manifest,
    tags: Vec<Tag>,
}

async fn store(inner: Arc<Inner>, name: RepositoryName, new: NewManifestParts) -> Result<(), ApiError> {
    let strict = inner.options.require_referenced_blobs;
    let repository = blocking(move || Ok(inner.storage.ensure_repository(&name)?)).await?;
    let guard = lock_manifests(&repository).await?;
    blocking(move || {
        let _guard = guard;
        if strict {
            check_references(&repository, &new.manifest)?;
        }
        let entry = Entry::new(new.manifest.media_type, new.bytes.len() as u64, new.manifest.artifact_type);
        let (digest, bytes, subject, tags) = (new.digest, new.bytes, new.manifest.subject, new.tags);
        Ok(repository.put_manifest(NewManifest { digest, bytes, entry, subject, tags })?)
    })
    .await
}

fn check_references(repository: &Repository, manifest: &Manifest) -> Result<(), ApiError> {
    for reference in &manifest.references {
        let missing = || {
            ApiError::new(Code::ManifestBlobUnknown, "the manifest names content that is not in the repository")
                .detail(json!({ "digest": reference }))
        };
        let digest = reference.parse().map_err(|_| missing())?;
        repository.blob_size(&digest)?.ok_or_else(missing)?;
    }
    Ok(())
}

pub(super) async fn delete(name: RepositoryName, reference: Reference, call: Call<'_>) -> Answer {
    let repository: Arc<Repository> = repository(call.inner, &name)?;
    let guard = lock_manifests(&repository).await?;
    blocking(move || {
        let _guard = guard;
        let deleted = match reference {
            Reference::Tag(tag) => repository.delete_tag(&tag)?,
            Reference::Digest(digest) => repository.delete_manifest(&digest)?,
        };
        if deleted { Ok(()) } else { Err(unknown()) }
    })
    .await?;
    Ok(response::status(StatusCode::ACCEPTED))
}
