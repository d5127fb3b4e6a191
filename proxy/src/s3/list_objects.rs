//! ListObjects, version 1.

use s3s::{S3Request, S3Response, dto};

use super::listing::{self, Asked, Encoding};
use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

pub(super) async fn list_objects(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::ListObjectsInput>,
) -> Result<S3Response<dto::ListObjectsOutput>> {
    let input = request.input;
    let encoding = Encoding::of(input.encoding_type.as_ref())?;
    let prefix = input.prefix.unwrap_or_default();
    let marker = input.marker.unwrap_or_default();
    let limit = listing::page_size("max-keys", input.max_keys)?;
    let repeated_prefix = encoding.repeat("prefix", Some(&prefix))?;
    let repeated_marker = encoding.repeat("marker", Some(&marker))?;
    let delimiter = listing::delimiter(input.delimiter.as_deref());
    let repeated_delimiter = encoding.repeat("delimiter", delimiter)?;

    let asked =
        Asked { bucket: &input.bucket, prefix: &prefix, delimiter, after: &marker, limit, encoding, owners: true };
    let page = listing::list(app, &asked).await?;
    // Without a delimiter the last key is the marker, and S3 leaves it to the client to look.
    let next_marker = page.next.as_deref().filter(|_| delimiter.is_some()).map(|next| encoding.write(next));
    Ok(S3Response::new(dto::ListObjectsOutput {
        is_truncated: Some(page.next.is_some()),
        common_prefixes: Some(page.prefixes),
        contents: Some(page.contents),
        delimiter: repeated_delimiter,
        encoding_type: encoding.name(),
        marker: repeated_marker,
        max_keys: i32::try_from(limit).ok(),
        name: Some(input.bucket),
        next_marker,
        prefix: repeated_prefix,
        ..Default::default()
    }))
}
