//! PutBucketRequestPayment: the owner pays, and nobody else can.

use s3s::{S3Request, S3Response, dto};

use super::configuration;
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Result};

pub(super) async fn put_bucket_request_payment(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::PutBucketRequestPaymentInput>,
) -> Result<S3Response<dto::PutBucketRequestPaymentOutput>> {
    let input = &request.input;
    match input.request_payment_configuration.payer.as_str() {
        dto::Payer::BUCKET_OWNER => configuration::unchanged(app, permit, &input.bucket).await?,
        dto::Payer::REQUESTER => return Err(configuration::not_implemented("Requester pays is not implemented.")),
        _ => return Err(Code::MalformedXml.into()),
    }
    Ok(S3Response::new(dto::PutBucketRequestPaymentOutput {}))
}
