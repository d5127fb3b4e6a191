//! GetObjectAttributes: what is known of an object without its bytes.

use http::HeaderMap;
use s3s::{S3Request, S3Response, dto};

use super::{headers, listing, version_id};
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Error, Result};
use crate::index::{ObjectHead, ObjectPart};

type Input = dto::GetObjectAttributesInput;

/// The checksum that S3 computes by itself: the parts of an object that has no other are counted and not listed (AWS, ObjectParts).
const OF_ITSELF: &str = "crc64nvme";

/// What may be asked for.
const ATTRIBUTES: [&str; 5] = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];

pub(super) async fn get_object_attributes(
    app: &App,
    _permit: &Permit,
    request: S3Request<Input>,
) -> Result<S3Response<dto::GetObjectAttributesOutput>> {
    let asked = asked(&request.headers)?;
    let is_asked = |name: &str| asked.contains(&name);
    let input = &request.input;
    let limit = listing::page_size("max-parts", input.max_parts)?;
    let after = listing::part_number_marker(input.part_number_marker)?;
    let object = app.index.version(&input.bucket, &input.key, input.version_id.as_deref()).await?;
    let version = version_id::told(object.version_id());
    let head = object.head;
    let has_parts = is_asked("ObjectParts") && head.part_count > 0;
    let object_parts = if has_parts { Some(parts(app, &head, after, limit).await?) } else { None };
    Ok(S3Response::new(dto::GetObjectAttributesOutput {
        checksum: checksum(&head).filter(|_| is_asked("Checksum")),
        e_tag: is_asked("ETag").then(|| headers::etag(&head.etag)),
        last_modified: Some(headers::timestamp(head.last_modified)),
        object_parts,
        version_id: version,
        object_size: i64::try_from(head.size).ok().filter(|_| is_asked("ObjectSize")),
        storage_class: is_asked("StorageClass").then(|| dto::StorageClass::from(head.storage_class)),
        ..Default::default()
    }))
}

/// `x-amz-object-attributes`, a list. Read here, for `s3s` takes it for one name.
fn asked(headers: &HeaderMap) -> Result<Vec<&str>> {
    let list = headers.get("x-amz-object-attributes").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let names: Vec<&str> = list.split(',').map(str::trim).collect();
    if names.iter().all(|name| ATTRIBUTES.contains(name)) {
        return Ok(names);
    }
    Err(Error::new(Code::InvalidArgument, "Invalid attribute name specified."))
}

fn checksum(head: &ObjectHead) -> Option<dto::Checksum> {
    let checksum = dto::Checksum { checksum_type: headers::checksum_type(head), ..Default::default() };
    (!head.checksums.is_empty()).then(|| headers::with_checksums!(checksum, &head.checksums))
}

async fn parts(app: &App, head: &ObjectHead, after: i32, limit: u32) -> Result<dto::GetObjectAttributesParts> {
    let count = dto::GetObjectAttributesParts { total_parts_count: Some(head.part_count), ..Default::default() };
    if head.checksums.keys().all(|algorithm| algorithm == OF_ITSELF) {
        return Ok(count);
    }
    let (parts, truncated) = app.index.object_parts(head.id, after, limit).await?;
    Ok(dto::GetObjectAttributesParts {
        is_truncated: Some(truncated),
        max_parts: i32::try_from(limit).ok(),
        next_part_number_marker: Some(parts.last().map_or(after, |part| part.part_number)),
        part_number_marker: Some(after),
        parts: Some(parts.into_iter().map(part).collect()),
        ..count
    })
}

fn part(part: ObjectPart) -> dto::ObjectPart {
    let entry = dto::ObjectPart {
        part_number: Some(part.part_number),
        size: i64::try_from(part.size).ok(),
        ..Default::default()
    };
    headers::with_checksums!(entry, &part.checksums)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_a_list_of_five_names() {
        let read = |value: &'static str| {
            let name = http::HeaderName::from_static("x-amz-object-attributes");
            let headers = HeaderMap::from_iter([(name, http::HeaderValue::from_static(value))]);
            asked(&headers).map(|names| names.join("+"))
        };
        assert_eq!(read("ETag,ObjectSize").unwrap(), "ETag+ObjectSize");
        assert_eq!(read(" ObjectSize , ETag").unwrap(), "ObjectSize+ETag");
        assert_eq!(read("ETag,Checksum,ObjectParts,StorageClass,ObjectSize").unwrap(), ATTRIBUTES.join("+"));
        for value in ["", "etag", "ETag,", "ETag,Colour"] {
            assert_eq!(read(value).unwrap_err().code(), Code::InvalidArgument, "{value:?}");
        }
    }
}
