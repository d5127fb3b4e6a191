//! ListBuckets: all of them with `s3:ListAllMyBuckets`; without it those that the caller may list.

use s3s::{S3Request, S3Response, dto};
use zas_policy::{Action, Resource};

use super::access::authorize;
use super::listing::Token;
use super::{headers, names};
use crate::app::App;
use crate::authz::{Caller, Permit};
use crate::error::{Code, Error, Result};
use crate::index::{Bucket, BucketPage, cut};

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
    let page = page(app, permit, &prefix, after, limit).await?;
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

/// Whether somebody who is known is shown some buckets only.
pub(super) fn is_filtered(app: &App, caller: &Caller) -> bool {
    !caller.principal().is_anonymous() && !app.authority.may(caller, Action::ListAllMyBuckets, &Resource::Service)
}

/// A page of what the permit lets see. Nothing at all is a refusal, as without the right to list.
async fn page(app: &App, permit: &Permit, prefix: &str, mut after: String, limit: u32) -> Result<BucketPage> {
    let caller = permit.caller();
    if !is_filtered(app, caller) {
        return app.index.list_buckets(prefix, &after, limit).await;
    }
    let begins = after.is_empty();
    let wanted = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut buckets = Vec::new();
    loop {
        let page = app.index.list_buckets(prefix, &after, MAX_BUCKETS.unsigned_abs()).await?;
        let (truncated, last) = (page.truncated, page.buckets.last().map(|bucket| bucket.name.clone()));
        let may_list = |bucket: &Bucket| app.authority.may(caller, Action::ListBucket, &Resource::bucket(&bucket.name));
        buckets.extend(page.buckets.into_iter().filter(may_list));
        match last {
            Some(last) if truncated && buckets.len() <= wanted => after = last,
            _ => break,
        }
    }
    if begins && buckets.is_empty() {
        authorize(app, caller, Action::ListAllMyBuckets, Resource::Service).await?;
    }
    let (buckets, truncated) = cut(buckets, limit);
    Ok(BucketPage { buckets, truncated })
}

fn limit(asked: Option<i32>) -> Result<u32> {
    let asked = asked.unwrap_or(MAX_BUCKETS);
    u32::try_from(asked)
        .ok()
        .filter(|limit| (1..=MAX_BUCKETS.unsigned_abs()).contains(limit))
        .ok_or_else(|| Error::new(Code::InvalidArgument, "max-buckets must be from 1 to 10000."))
}
