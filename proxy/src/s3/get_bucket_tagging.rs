//! GetBucketTagging.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::bucket_configuration::TagSet;
use crate::error::{Code, Result};

pub(super) async fn get_bucket_tagging(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetBucketTaggingInput>,
) -> Result<S3Response<dto::GetBucketTaggingOutput>> {
    let bucket = &request.input.bucket;
    let tags = configuration::stored::<TagSet>(app, bucket).await?.unwrap_or_default();
    // S3 does not tell no tags from none ever set.
    if tags.0.is_empty() {
        return Err(configuration::missing(Code::NoSuchTagSet, bucket));
    }
    let tag_set = tags.0.into_iter().map(|tag| dto::Tag { key: Some(tag.key), value: Some(tag.value) }).collect();
    Ok(S3Response::new(dto::GetBucketTaggingOutput { tag_set }))
}
