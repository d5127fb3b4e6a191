//! GetBucketRequestPayment: always the owner.

use s3s::{S3Request, S3Response, dto};

use crate::app::App;
use crate::authz::Permit;
use crate::error::Result;

pub(super) async fn get_bucket_request_payment(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetBucketRequestPaymentInput>,
) -> Result<S3Response<dto::GetBucketRequestPaymentOutput>> {
    app.index.bucket(&request.input.bucket).await?;
    Ok(S3Response::new(dto::GetBucketRequestPaymentOutput {
        payer: Some(dto::Payer::from_static(dto::Payer::BUCKET_OWNER)),
    }))
}
