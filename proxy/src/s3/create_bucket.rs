//! CreateBucket.

use s3s::{S3Request, S3Response, dto};

use super::{acl, configuration};
use crate::app::App;
use crate::authz::Permit;
use crate::bucket_configuration::OwnershipControls;
use crate::error::{Code, Error, Result};
use crate::index::{BeginsWith, NewBucket};

/// Where buckets have been made since before there were regions.
const FIRST_REGION: &str = "us-east-1";

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
    let names_ownership = request.headers.contains_key("x-amz-object-ownership");
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
    match app.index.create_bucket_with(bucket, BeginsWith { ownership, list: list.as_ref() }).await {
        Err(error) if error.code() == Code::BucketAlreadyOwnedByYou => {
            let asks_for_more =
                list.is_some() || request.input.object_lock_enabled_for_bucket == Some(true) || names_ownership;
            made_before(app, &permit, &name, asks_for_more).await?;
        }
        made => drop(made?),
    }
    if ownership.has_lists() {
        configuration::know::<OwnershipControls>(app).await?;
    }
    Ok(S3Response::new(dto::CreateBucketOutput { location: Some(format!("/{name}")) }))
}

/// Whether the bucket may be taken for the one that was asked for: in the first region AWS says so to its owner (*CreateBucket*,
/// `BucketAlreadyOwnedByYou`). There that takes its list back too; here one whose list gives something to others is refused.
///
/// # Errors
/// `BucketAlreadyOwnedByYou`; `BucketAlreadyExists` where it is somebody else's.
async fn made_before(app: &App, permit: &Permit, name: &str, asks_for_more: bool) -> Result<()> {
    let there = app.index.lists(name, None).await.map_err(|error| match error.code() {
        // It is gone by now, and was there.
        Code::NoSuchBucket => Code::OperationAborted.into(),
        _ => error,
    })?;
    if there.bucket.owner != permit.principal().to_string() {
        return Err(Code::BucketAlreadyExists.into());
    }
    if app.config.s3.region == FIRST_REGION && !asks_for_more && there.bucket.is_private() {
        return Ok(());
    }
    Err(Code::BucketAlreadyOwnedByYou.into())
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
