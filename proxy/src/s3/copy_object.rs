//! CopyObject: the new object names the bytes of the old one; none of them moves.

use http::HeaderMap;
use s3s::{S3Request, S3Response, dto};
use zas_policy::{Action, Resource};

use super::access::{Source, authorize};
use super::checksum::Algorithm;
use super::dispatch::extension;
use super::put_object::STORAGE_CLASS;
use super::{acl, conditions, headers, object_lock, tags, version_id};
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Error, Result};
use crate::index::{CopySource, Headers, Metadata, Object, ObjectHead, Tags};

/// The largest object that one request copies (AWS: 5 GiB); larger ones are copied part by part.
const MAX_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// How often a copy starts again because its source was replaced while it was looked up.
const ATTEMPTS: u32 = 3;

pub(super) async fn copy_object(
    app: &App,
    permit: &Permit,
    mut request: S3Request<dto::CopyObjectInput>,
) -> Result<S3Response<dto::CopyObjectOutput>> {
    let source: Source = extension(&request)?;
    let replacement = replacement(&mut request)?;
    let tags = replacing_tags(&request)?;
    let onto_itself = source.object() == (request.input.bucket.as_str(), request.input.key.as_str());
    if onto_itself && replacement.is_none() && source.version().is_none() {
        return Err(Error::new(
            Code::InvalidRequest,
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
        ));
    }
    let new = acl::of_new(app, permit, &request.headers).await?;
    let mut attempt = 1;
    loop {
        match copy(app, &new, &request, &source, (replacement.as_ref(), tags.as_ref())).await {
            Err(error) if error.code() == Code::NoSuchKey && attempt < ATTEMPTS => attempt += 1,
            result => return result,
        }
    }
}

async fn copy(
    app: &App,
    new: &acl::New,
    request: &S3Request<dto::CopyObjectInput>,
    source: &Source,
    (replacement, tags): (Option<&(Headers, Metadata)>, Option<&Tags>),
) -> Result<S3Response<dto::CopyObjectOutput>> {
    let source_object = source.read(app).await?;
    let source_version = version_id::told(source_object.version_id());
    let Object { head, content_digest, .. } = source_object;
    check_source(request, &head)?;
    let record = match tags {
        None if !head.tags.is_empty() => carry_tags(app, &new.permit, source, &head.tags).await?.record(),
        _ => new.permit.record(),
    };
    let copy = CopySource {
        object_id: head.id,
        bucket: &request.input.bucket,
        key: &request.input.key,
        replace: replacement.map(|(headers, metadata)| (headers, metadata)),
        // Those that were asked about, whatever becomes of the source's meanwhile.
        tags: Some(tags.unwrap_or(&head.tags)),
        storage_class: STORAGE_CLASS,
        owner: &new.owner,
        conditions: conditions::write(&request.headers)?,
        lock: object_lock::of_headers(&request.headers)?,
        content_digest,
        grace: app.config.blobs.sweep_grace,
        audit: record.as_slice(),
    };
    let committed = app.index.copy_object_with(copy, new.list.as_ref()).await?;
    let result = dto::CopyObjectResult {
        checksum_type: headers::checksum_type(&head),
        e_tag: Some(headers::etag(&head.etag)),
        last_modified: Some(headers::timestamp(committed.last_modified)),
        ..Default::default()
    };
    let output = dto::CopyObjectOutput {
        copy_object_result: Some(headers::with_checksums!(result, &head.checksums)),
        copy_source_version_id: source_version,
        version_id: version_id::told(committed.version_id.as_deref()),
        ..Default::default()
    };
    Ok(S3Response::with_headers(output, headers::oci_digest(committed.oci_digest.as_ref())))
}

/// Tags that go with a copy are read at the source and given to the copy, each of which is a right of its own.
pub(super) async fn carry_tags(app: &App, permit: &Permit, source: &Source, tags: &Tags) -> Result<Permit> {
    let ((bucket, key), caller) = (source.object(), permit.caller());
    let reading = caller.clone().asking_for(source.version());
    let action = version_id::action_on(source.version(), Action::GetObjectTagging);
    let read = authorize(app, &reading, action, Resource::object(bucket, key)).await?;
    let giving = caller.clone().with_conditions(caller.conditions().clone().giving(tags.clone()));
    let given = authorize(app, &giving, Action::PutObjectTagging, permit.resource().clone()).await?;
    Ok(permit.clone().beside(&read).beside(&given))
}

fn check_source(request: &S3Request<dto::CopyObjectInput>, head: &ObjectHead) -> Result<()> {
    conditions::check_copy_source(&conditions::read(&request.headers, conditions::COPY_SOURCE), head)?;
    if head.size > MAX_BYTES {
        return Err(Error::new(
            Code::InvalidRequest,
            format!(
                "The specified copy source is larger than the maximum allowable size for a copy source: {MAX_BYTES}"
            ),
        ));
    }
    let Some(asked) = &request.input.checksum_algorithm else { return Ok(()) };
    // The bytes are not read, so there is no checksum but those that the source has.
    match Algorithm::parse(asked.as_str()) {
        Some(algorithm) if head.checksums.contains_key(algorithm.key()) => Ok(()),
        Some(_) => {
            Err(Error::new(Code::NotImplemented, "A copy keeps the source's checksum; another one is not implemented."))
        }
        None => Err(Error::new(Code::InvalidRequest, "Checksum algorithm provided is unsupported.")),
    }
}

/// New tags, where the client replaces them; otherwise what it says of tags counts for nothing, as at AWS.
fn replacing_tags(request: &S3Request<dto::CopyObjectInput>) -> Result<Option<Tags>> {
    let directive = request.input.tagging_directive.as_ref().map_or(dto::TaggingDirective::COPY, |d| d.as_str());
    match directive {
        dto::TaggingDirective::COPY => Ok(None),
        // As the rights were asked for.
        dto::TaggingDirective::REPLACE if replaces_tags(&request.headers) => {
            tags::of_header(&request.headers).map(Some)
        }
        _ => Err(Error::new(Code::InvalidArgument, "Unknown tagging directive.")),
    }
}

/// Whether a copy has the tags of its request, and not those of its source.
pub(super) fn replaces_tags(headers: &HeaderMap) -> bool {
    headers.get("x-amz-tagging-directive").is_some_and(|directive| directive == dto::TaggingDirective::REPLACE)
}

/// New headers and metadata, where the client replaces them.
fn replacement(request: &mut S3Request<dto::CopyObjectInput>) -> Result<Option<(Headers, Metadata)>> {
    let directive = request.input.metadata_directive.as_ref().map_or(dto::MetadataDirective::COPY, |d| d.as_str());
    match directive {
        dto::MetadataDirective::COPY => Ok(None),
        dto::MetadataDirective::REPLACE => {
            let metadata = headers::metadata(request.input.metadata.take())?;
            Ok(Some((headers::kept(&request.headers)?, metadata)))
        }
        _ => Err(Error::new(Code::InvalidArgument, "Unknown metadata directive.")),
    }
}
