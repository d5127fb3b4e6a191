//! PutBucketTagging: replaces all tags of the bucket.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::bucket_configuration::{Limits, Tag, TagSet};
use crate::error::{Code, Result};

pub(super) async fn put_bucket_tagging(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::PutBucketTaggingInput>,
) -> Result<S3Response<dto::PutBucketTaggingOutput>> {
    let input = request.input;
    let tags = input.tagging.tag_set.into_iter();
    let tags = tags.map(|tag| Some(Tag { key: tag.key?, value: tag.value? })).collect::<Option<Vec<Tag>>>();
    let tags = TagSet(tags.ok_or(Code::MalformedXml)?);
    tags.check(Limits::BUCKET)?;
    configuration::put(app, permit, &input.bucket, &tags).await?;
    Ok(S3Response::new(dto::PutBucketTaggingOutput {}))
}
