//! HeadObject.

use s3s::{S3Request, S3Response, dto};

use super::get_object::wants_checksum;
use super::{conditions, gate, headers, range};
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Error, Result};

pub(super) async fn head_object(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::HeadObjectInput>,
) -> Result<S3Response<dto::HeadObjectOutput>> {
    let input = &request.input;
    let object = gate::object(app, permit, &input.bucket, &input.key).await?;
    let head = &object.head;
    conditions::check(&conditions::read(&request.headers, conditions::READ), head)?;
    let asked = input.range.filter(|_| range::if_range_holds(&request.headers, &head.etag, head.last_modified));
    let range = range::resolve(asked, head.size)?;
    let length = range.as_ref().map_or(head.size, |range| range.end - range.start);

    let mut output = headers::describe!(HeadObjectOutput, head);
    output.content_length = Some(i64::try_from(length).map_err(Error::internal)?);
    output.content_range = range.as_ref().map(|range| range::content_range(range, head.size));
    if range.is_none() && wants_checksum(input.checksum_mode.as_ref()) {
        output.checksum_type = headers::checksum_type(head);
        output = headers::with_checksums!(output, &head.checksums);
    }
    Ok(S3Response::with_headers(output, headers::beyond(&object)))
}
