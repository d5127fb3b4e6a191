//! GetBucketCors.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::bucket_configuration::Cors;
use crate::bucket_configuration::cors::Rule;
use crate::error::{Code, Result};

pub(super) async fn get_bucket_cors(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetBucketCorsInput>,
) -> Result<S3Response<dto::GetBucketCorsOutput>> {
    let bucket = &request.input.bucket;
    let stored = configuration::stored::<Cors>(app, bucket).await?;
    let rules = stored.ok_or_else(|| configuration::missing(Code::NoSuchCorsConfiguration, bucket))?;
    let cors_rules = Some(rules.0.into_iter().map(shown).collect());
    Ok(S3Response::new(dto::GetBucketCorsOutput { cors_rules }))
}

fn shown(rule: Rule) -> dto::CORSRule {
    let some = |list: Vec<String>| Some(list).filter(|list| !list.is_empty());
    dto::CORSRule {
        allowed_headers: some(rule.headers),
        allowed_methods: rule.methods,
        allowed_origins: rule.origins,
        expose_headers: some(rule.exposed),
        id: rule.id,
        max_age_seconds: rule.max_age,
    }
}
