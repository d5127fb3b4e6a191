//! PutBucketCors: replaces all rules of the bucket.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::bucket_configuration::Cors;
use crate::bucket_configuration::cors::Rule;
use crate::error::Result;

pub(super) async fn put_bucket_cors(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::PutBucketCorsInput>,
) -> Result<S3Response<dto::PutBucketCorsOutput>> {
    let input = request.input;
    let cors = Cors(input.cors_configuration.cors_rules.into_iter().map(rule).collect());
    cors.check()?;
    configuration::put(app, permit, &input.bucket, &cors).await?;
    Ok(S3Response::new(dto::PutBucketCorsOutput {}))
}

fn rule(rule: dto::CORSRule) -> Rule {
    Rule {
        id: rule.id,
        origins: rule.allowed_origins,
        methods: rule.allowed_methods,
        headers: rule.allowed_headers.unwrap_or_default(),
        exposed: rule.expose_headers.unwrap_or_default(),
        max_age: rule.max_age_seconds,
    }
}
