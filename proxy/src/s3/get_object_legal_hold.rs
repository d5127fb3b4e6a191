//! GetObjectLegalHold.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

pub(super) async fn get_object_legal_hold(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetObjectLegalHoldInput>,
) -> Result<S3Response<dto::GetObjectLegalHoldOutput>> {
    let input = &request.input;
    let object = app.index.version(&input.bucket, &input.key, input.version_id.as_deref()).await?;
    configuration::expect_object_lock(app, &input.bucket).await?;
    let on = object.head.legal_hold;
    let status = if on { dto::ObjectLockLegalHoldStatus::ON } else { dto::ObjectLockLegalHoldStatus::OFF };
    let hold = dto::ObjectLockLegalHold { status: Some(dto::ObjectLockLegalHoldStatus::from_static(status)) };
    Ok(S3Response::new(dto::GetObjectLegalHoldOutput { legal_hold: Some(hold) }))
}
