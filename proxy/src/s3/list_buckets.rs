//! ListBuckets.

use s3s::{S3Request, S3Response, dto};

use super::listing::Token;
use super::{headers, names};
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Error, Result};

/// The largest page, and the one that is given where none is asked for.
const MAX_BUCKETS: i32 = 10_000;

pub(super) async fn list_buckets(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::ListBucketsInput>,
) -> Result<S3Response<dto::ListBucketsOutput>> {
    let input = request.input;
    if input.bucket_region.is_some_and(|region| region != app.config.s3.region) {
        return Err(Error::new(Code::InvalidArgument, "There are no buckets in the region bucket-region names."));
    }
    let prefix = input.prefix.unwrap_or_default();
    names::check_text("prefix", &prefix)?;
    let limit = limit(input.max_buckets)?;
    let context = ["buckets", &prefix];
    let after = match input.continuation_token.as_deref() {
        Some(token) if !token.is_empty() => Token::decode(token, &context)?,
        _ => String::new(),
    };
    let page = app.index.list_buckets(&prefix, &after, limit).await?;
    let last = page.buckets.last().filter(|_| page.truncated);
    let continuation_token = last.map(|bucket| Token::encode(&bucket.name, &context));
    let buckets = page.buckets.into_iter().map(|bucket| dto::Bucket {
        bucket_region: Some(bucket.region),
        creation_date: Some(headers::timestamp(bucket.created_at)),
        name: Some(bucket.name),
    });
    Ok(S3Response::new(dto::ListBucketsOutput {
        buckets: Some(buckets.collect()),
        continuation_token,
        owner: Some(headers::owner(&permit.principal().to_string())),
        prefix: (!prefix.is_empty()).then_some(prefix),
    }))
}

fn limit(asked: Option<i32>) -> Result<u32> {
    let asked = asked.unwrap_or(MAX_BUCKETS);
    u32::try_from(asked)
        .ok()
        .filter(|limit| (1..=MAX_BUCKETS.unsigned_abs()).contains(limit))
        .ok_or_else(|| Error::new(Code::InvalidArgument, "max-buckets must be from 1 to 10000."))
}
