//! CreateBucket.

use s3s::{S3Request, S3Response, dto};

use super::{acl, configuration};
use crate::app::App;
use crate::authz::Permit;
use crate::bucket_configuration::OwnershipControls;
use crate::error::{Code, Error, Result};
use crate::index::{BeginsWith, NewBucket};

pub(super) async fn create_bucket(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::CreateBucketInput>,
) -> Result<S3Response<dto::CreateBucketOutput>> {
    let name = request.input.bucket;
    if let Some(configuration) = &request.input.create_bucket_configuration {
        check_location(configuration, &app.config.s3.region)?;
    }
    let acl::NewBucketLists { permit, ownership, list } =
        acl::of_new_bucket(app, permit.clone(), &request.headers).await?;
    let record = permit.record();
    let bucket = NewBucket {
        name: &name,
        region: &app.config.s3.region,
        owner: &permit.principal().to_string(),
        store: &app.config.store.name,
        prefix: &app.config.store.prefix,
        shards: app.config.store.shards,
        object_lock: request.input.object_lock_enabled_for_bucket.unwrap_or(false),
        quota: app.config.s3.default_quota.into(),
        audit: record.as_slice(),
    };
    app.index.create_bucket_with(bucket, BeginsWith { ownership, list: list.as_ref() }).await?;
    if ownership.has_lists() {
        configuration::know::<OwnershipControls>(app).await?;
    }
    Ok(S3Response::new(dto::CreateBucketOutput { location: Some(format!("/{name}")) }))
}

fn check_location(configuration: &dto::CreateBucketConfiguration, region: &str) -> Result<()> {
    if configuration.bucket.is_some() || configuration.location.is_some() {
        return Err(Error::new(Code::NotImplemented, "Directory buckets are not implemented."));
    }
    let asked = configuration.location_constraint.as_ref().map_or("", |constraint| constraint.as_str());
    if asked.is_empty() || asked == region {
        return Ok(());
    }
    Err(Error::new(Code::InvalidLocationConstraint, format!("Buckets can be made in the region '{region}' only."))
        .with("Region", region))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constraint(region: &str) -> dto::CreateBucketConfiguration {
        dto::CreateBucketConfiguration {
            location_constraint: Some(dto::BucketLocationConstraint::from(region.to_owned())),
            ..Default::default()
        }
    }

    #[test]
    fn a_bucket_is_made_in_our_region_or_not_at_all() {
        assert!(check_location(&constraint("eu-west-1"), "eu-west-1").is_ok());
        assert!(check_location(&dto::CreateBucketConfiguration::default(), "eu-west-1").is_ok());
        let error = check_location(&constraint("eu-west-2"), "eu-west-1").unwrap_err();
        assert_eq!(error.code(), Code::InvalidLocationConstraint);
    }
}
