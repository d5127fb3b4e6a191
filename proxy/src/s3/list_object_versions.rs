//! ListObjectVersions.

use s3s::{S3Request, S3Response, dto};

use super::listing::{self, Encoding};
use super::{headers, version_id};
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Result};
use crate::index::{ListVersionsRequest, ObjectHead, VersionEntry, VersionPage, VersionPlace};

type Input = dto::ListObjectVersionsInput;
type Output = dto::ListObjectVersionsOutput;

pub(super) async fn list_object_versions(
    app: &App,
    _permit: &Permit,
    request: S3Request<Input>,
) -> Result<S3Response<Output>> {
    let input = request.input;
    let encoding = Encoding::of(input.encoding_type.as_ref())?;
    let prefix = input.prefix.as_deref().unwrap_or_default();
    let delimiter = listing::delimiter(input.delimiter.as_deref());
    let after = input.key_marker.as_deref().unwrap_or_default();
    let limit = listing::page_size("max-keys", input.max_keys)?;
    let asked = ListVersionsRequest {
        bucket: &input.bucket,
        prefix,
        delimiter,
        after,
        after_version: place(app, &input).await?,
        limit,
    };
    let page = app.index.list_versions(asked).await?;
    let output = Output {
        delimiter: encoding.repeat("delimiter", delimiter)?,
        encoding_type: encoding.name(),
        key_marker: encoding.repeat("key-marker", Some(after))?,
        max_keys: i32::try_from(limit).ok(),
        prefix: encoding.repeat("prefix", Some(prefix))?,
        version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
        name: Some(input.bucket),
        ..answer(&page, encoding)
    };
    Ok(S3Response::new(output))
}

/// Where a page begins within a key. A null version has its place in the index alone: one that is gone since leaves the key's other
/// versions out, which are listed by whoever goes on with the marker that an answer gave.
async fn place(app: &App, input: &Input) -> Result<Option<VersionPlace>> {
    let Some(version) = input.version_id_marker.as_deref().filter(|version| !version.is_empty()) else {
        return Ok(None);
    };
    version_id::check_marker(input.key_marker.as_deref(), version)?;
    if let Some(place) = VersionPlace::parse(version) {
        return Ok(Some(place));
    }
    let key = input.key_marker.as_deref().unwrap_or_default();
    match app.index.version_place(&input.bucket, key, version).await {
        Err(error) if error.code() == Code::NoSuchVersion => Ok(None),
        place => place.map(Some),
    }
}

fn answer(page: &VersionPage, encoding: Encoding) -> Output {
    let mut output = Output { is_truncated: Some(page.truncated), ..Default::default() };
    let (mut versions, mut markers, mut prefixes) = (Vec::new(), Vec::new(), Vec::new());
    for entry in &page.entries {
        match entry {
            VersionEntry::Version(head) if head.is_delete_marker => markers.push(marker(head, encoding)),
            VersionEntry::Version(head) => versions.push(version(head, encoding)),
            VersionEntry::Prefix(prefix) => prefixes.push(dto::CommonPrefix { prefix: Some(encoding.write(prefix)) }),
        }
    }
    if let Some(last) = page.entries.last().filter(|_| page.truncated) {
        output.next_key_marker = Some(encoding.write(last.name()));
        output.next_version_id_marker = next_marker(last);
    }
    Output { versions: Some(versions), delete_markers: Some(markers), common_prefixes: Some(prefixes), ..output }
}

/// The version that a page ends with; of a null version its place, which stays what it is when the version goes.
fn next_marker(last: &VersionEntry) -> Option<String> {
    match last {
        VersionEntry::Version(head) if VersionPlace::parse(&head.version_id).is_some() => Some(head.version_id.clone()),
        entry => entry.place().map(VersionPlace::to_text),
    }
}

fn version(head: &ObjectHead, encoding: Encoding) -> dto::ObjectVersion {
    let algorithms = headers::algorithms(&head.checksums);
    dto::ObjectVersion {
        checksum_algorithm: (!algorithms.is_empty()).then_some(algorithms),
        checksum_type: headers::checksum_type(head),
        e_tag: Some(headers::etag(&head.etag)),
        is_latest: Some(head.is_latest),
        key: Some(encoding.write(&head.key)),
        last_modified: Some(headers::timestamp(head.last_modified)),
        owner: Some(headers::owner(&head.owner)),
        size: i64::try_from(head.size).ok(),
        storage_class: Some(dto::ObjectVersionStorageClass::from(head.storage_class.clone())),
        version_id: Some(head.version_id.clone()),
        ..Default::default()
    }
}

fn marker(head: &ObjectHead, encoding: Encoding) -> dto::DeleteMarkerEntry {
    dto::DeleteMarkerEntry {
        is_latest: Some(head.is_latest),
        key: Some(encoding.write(&head.key)),
        last_modified: Some(headers::timestamp(head.last_modified)),
        owner: Some(headers::owner(&head.owner)),
        version_id: Some(head.version_id.clone()),
    }
}
