//! ListObjects, version 2.

use s3s::{S3Request, S3Response, dto};

use super::listing::{self, Asked, Encoding, Token};
use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

pub(super) async fn list_objects_v2(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::ListObjectsV2Input>,
) -> Result<S3Response<dto::ListObjectsV2Output>> {
    let input = request.input;
    let encoding = Encoding::of(input.encoding_type.as_ref())?;
    let prefix = input.prefix.unwrap_or_default();
    let limit = listing::page_size("max-keys", input.max_keys)?;
    let repeated_prefix = encoding.repeat("prefix", Some(&prefix))?;
    let repeated_start = encoding.repeat("start-after", input.start_after.as_deref())?;
    let delimiter = listing::delimiter(input.delimiter.as_deref());
    let repeated_delimiter = encoding.repeat("delimiter", delimiter)?;

    let context = ["objects", &input.bucket, &prefix, input.delimiter.as_deref().unwrap_or_default()];
    let after = match &input.continuation_token {
        Some(token) => Token::decode(token, &context)?,
        None => input.start_after.clone().unwrap_or_default(),
    };
    let asked = Asked {
        bucket: &input.bucket,
        prefix: &prefix,
        delimiter,
        after: &after,
        limit,
        encoding,
        owners: input.fetch_owner.unwrap_or(false),
    };
    let page = listing::list(app, &asked).await?;
    Ok(S3Response::new(dto::ListObjectsV2Output {
        next_continuation_token: page.next.as_deref().map(|next| Token::encode(next, &context)),
        is_truncated: Some(page.next.is_some()),
        key_count: Some(page.key_count()),
        common_prefixes: Some(page.prefixes),
        contents: Some(page.contents),
        continuation_token: input.continuation_token,
        delimiter: repeated_delimiter,
        encoding_type: encoding.name(),
        max_keys: i32::try_from(limit).ok(),
        name: Some(input.bucket),
        prefix: repeated_prefix,
        start_after: repeated_start,
        ..Default::default()
    }))
}
