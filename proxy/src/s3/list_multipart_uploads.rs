//! ListMultipartUploads.

use s3s::{S3Request, S3Response, dto};

use super::headers;
use super::listing::{self, Encoding};
use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;
use crate::index::{ListRequest, Upload};

pub(super) async fn list_multipart_uploads(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::ListMultipartUploadsInput>,
) -> Result<S3Response<dto::ListMultipartUploadsOutput>> {
    let input = request.input;
    let encoding = Encoding::of(input.encoding_type.as_ref())?;
    let limit = listing::page_size("max-uploads", input.max_uploads)?;
    let prefix = input.prefix.unwrap_or_default();
    let key_marker = input.key_marker.unwrap_or_default();
    // S3 reads the upload id only together with a key.
    let id_marker = input.upload_id_marker.filter(|_| !key_marker.is_empty()).unwrap_or_default();
    let repeated_prefix = encoding.repeat("prefix", Some(&prefix))?;
    let repeated_marker = encoding.repeat("key-marker", Some(&key_marker))?;
    let delimiter = listing::delimiter(input.delimiter.as_deref());
    let repeated_delimiter = encoding.repeat("delimiter", delimiter)?;
    let repeated_id = encoding.repeat("upload-id-marker", Some(&id_marker))?;

    let asked = ListRequest { bucket: &input.bucket, prefix: &prefix, delimiter, after: &key_marker, limit };
    let page = app.index.list_uploads(asked, &id_marker).await?;
    let prefixes = page.prefixes.iter().map(|prefix| dto::CommonPrefix { prefix: Some(encoding.write(prefix)) });
    Ok(S3Response::new(dto::ListMultipartUploadsOutput {
        common_prefixes: Some(prefixes.collect()),
        delimiter: repeated_delimiter,
        encoding_type: encoding.name(),
        is_truncated: Some(page.truncated),
        key_marker: repeated_marker,
        max_uploads: i32::try_from(limit).ok(),
        next_key_marker: page.truncated.then(|| encoding.write(&page.next_key)),
        next_upload_id_marker: page.truncated.then_some(page.next_id),
        prefix: repeated_prefix,
        upload_id_marker: repeated_id,
        uploads: Some(page.uploads.into_iter().map(|upload| entry(upload, encoding)).collect()),
        bucket: Some(input.bucket),
        ..Default::default()
    }))
}

fn entry(upload: Upload, encoding: Encoding) -> dto::MultipartUpload {
    dto::MultipartUpload {
        checksum_algorithm: upload.checksum_algorithm.map(|name| dto::ChecksumAlgorithm::from(name.to_uppercase())),
        checksum_type: upload.checksum_type.map(|kind| dto::ChecksumType::from_static(kind.as_str())),
        initiated: Some(headers::timestamp(upload.initiated_at)),
        initiator: Some(dto::Initiator { display_name: Some(upload.owner.clone()), id: Some(upload.owner.clone()) }),
        key: Some(encoding.write(&upload.key)),
        owner: Some(headers::owner(&upload.owner)),
        storage_class: Some(dto::StorageClass::from(upload.storage_class)),
        upload_id: Some(upload.id),
    }
}
