//! ListParts.

use s3s::{S3Request, S3Response, dto};

use super::{headers, lifecycle, listing};
use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;
use crate::index::{Part, Upload};

pub(super) async fn list_parts(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::ListPartsInput>,
) -> Result<S3Response<dto::ListPartsOutput>> {
    let input = request.input;
    let limit = listing::page_size("max-parts", input.max_parts)?;
    let after = listing::part_number_marker(input.part_number_marker)?;
    let page = app.index.parts(&input.bucket, &input.key, &input.upload_id, after, limit).await?;
    let last = page.parts.last().map(|part| part.part_number);
    let Upload { checksum_algorithm, checksum_type, owner, storage_class, initiated_at, .. } = page.upload;
    let (abort_date, abort_rule_id) = lifecycle::abort_of(app, &input.bucket, &input.key, initiated_at).unzip();
    Ok(S3Response::new(dto::ListPartsOutput {
        abort_date,
        abort_rule_id,
        bucket: Some(input.bucket),
        checksum_algorithm: checksum_algorithm.map(|name| dto::ChecksumAlgorithm::from(name.to_uppercase())),
        checksum_type: checksum_type.map(|kind| dto::ChecksumType::from_static(kind.as_str())),
        initiator: Some(dto::Initiator { display_name: Some(owner.clone()), id: Some(owner.clone()) }),
        is_truncated: Some(page.truncated && last.is_some()),
        key: Some(input.key),
        max_parts: i32::try_from(limit).ok(),
        next_part_number_marker: last,
        owner: Some(headers::owner(&owner)),
        part_number_marker: Some(after),
        parts: Some(page.parts.into_iter().map(part).collect()),
        storage_class: Some(dto::StorageClass::from(storage_class)),
        upload_id: Some(input.upload_id),
        ..Default::default()
    }))
}

fn part(part: Part) -> dto::Part {
    let entry = dto::Part {
        e_tag: Some(headers::etag(&part.etag)),
        last_modified: Some(headers::timestamp(part.last_modified)),
        part_number: Some(part.part_number),
        size: i64::try_from(part.size).ok(),
        ..Default::default()
    };
    headers::with_checksums!(entry, &part.checksums)
}
