//! PutObjectLegalHold: a version stays until somebody says otherwise.

use s3s::{S3Request, S3Response, dto};
use zas_policy::{Action, Resource};

use super::access::authorize;
use super::{object_lock, owner};
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Result};
use crate::index::NewLock;

pub(super) async fn put_object_legal_hold(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::PutObjectLegalHoldInput>,
) -> Result<S3Response<dto::PutObjectLegalHoldOutput>> {
    let S3Request { input, headers, .. } = request;
    let dto::PutObjectLegalHoldInput { bucket, key, legal_hold, version_id, .. } = input;
    let status = legal_hold.and_then(|hold| hold.status).ok_or(Code::MalformedXml)?;
    let hold = object_lock::hold(status.as_str()).map_err(|_| Code::MalformedXml)?;
    let conditions = permit.caller().conditions().clone();
    let conditions = object_lock::saying(conditions, NewLock { retention: None, legal_hold: Some(hold) });
    let caller = permit.caller().clone().with_conditions(conditions);
    let allowed = authorize(app, &caller, Action::PutObjectLegalHold, Resource::object(&*bucket, &*key)).await?;
    owner::check(app, &headers, owner::OF_BUCKET, &bucket).await?;
    let version = (bucket.as_str(), key.as_str(), version_id.as_deref());
    app.index.put_object_legal_hold(version, hold, allowed.record().as_slice()).await?;
    Ok(S3Response::new(dto::PutObjectLegalHoldOutput::default()))
}
