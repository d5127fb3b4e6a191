//! PutObjectRetention: until when a version stays. It may be made longer; for anything else one must bypass governance.

use s3s::{S3Request, S3Response, dto};
use zas_policy::{Action, Resource};

use super::access::authorize;
use super::{object_lock, owner};
use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;
use crate::index::NewLock;

pub(super) async fn put_object_retention(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::PutObjectRetentionInput>,
) -> Result<S3Response<dto::PutObjectRetentionOutput>> {
    let S3Request { input, headers, .. } = request;
    let dto::PutObjectRetentionInput { bucket, key, retention, version_id, .. } = input;
    let retention = object_lock::of_document(retention)?;
    let conditions = permit.caller().conditions().clone();
    let conditions = object_lock::saying(conditions, NewLock { retention, legal_hold: None });
    let caller = permit.caller().clone().with_conditions(conditions);
    let allowed = authorize(app, &caller, Action::PutObjectRetention, Resource::object(&*bucket, &*key)).await?;
    owner::check(app, &headers, owner::OF_BUCKET, &bucket).await?;
    let (allowed, bypass) = object_lock::bypass(app, allowed, &headers).await?;
    let version = (bucket.as_str(), key.as_str(), version_id.as_deref());
    app.index.put_object_retention(version, retention, bypass, allowed.record().as_slice()).await?;
    Ok(S3Response::new(dto::PutObjectRetentionOutput::default()))
}
