//! CreateMultipartUpload.

use s3s::{S3Request, S3Response, dto};

use super::put_object::STORAGE_CLASS;
use super::{acl, headers, lifecycle, multipart, object_lock, tags};
use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;
use crate::index::NewUpload;

pub(super) async fn create_multipart_upload(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::CreateMultipartUploadInput>,
) -> Result<S3Response<dto::CreateMultipartUploadOutput>> {
    let input = request.input;
    let kept = headers::kept(&request.headers)?;
    let metadata = headers::metadata(input.metadata)?;
    let tags = tags::of_header(&request.headers)?;
    let declared = multipart::declared(
        input.checksum_algorithm.as_ref().map(dto::ChecksumAlgorithm::as_str),
        input.checksum_type.as_ref().map(dto::ChecksumType::as_str),
    )?;
    let acl::New { permit, owner, list } = acl::of_new(app, permit, &request.headers).await?;
    let record = permit.record();
    let upload = NewUpload {
        bucket: &input.bucket,
        key: &input.key,
        checksum_algorithm: declared.map(|(algorithm, _)| algorithm.key()),
        checksum_type: declared.map(|(_, kind)| kind),
        headers: &kept,
        metadata: &metadata,
        tags: &tags,
        storage_class: STORAGE_CLASS,
        lock: object_lock::of_headers(&request.headers)?,
        owner: &owner,
        audit: record.as_slice(),
    };
    let upload = app.index.create_upload_with(upload, list.as_ref()).await?;
    let (abort_date, abort_rule_id) = lifecycle::abort_of(app, &input.bucket, &input.key, upload.initiated_at).unzip();
    Ok(S3Response::new(dto::CreateMultipartUploadOutput {
        abort_date,
        abort_rule_id,
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(upload.id),
        checksum_algorithm: declared.map(|(algorithm, _)| dto::ChecksumAlgorithm::from_static(algorithm.name())),
        checksum_type: declared.map(|(_, kind)| dto::ChecksumType::from_static(kind.as_str())),
        ..Default::default()
    }))
}
