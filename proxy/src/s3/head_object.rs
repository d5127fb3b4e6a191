//! HeadObject.

use s3s::{S3Request, S3Response, dto};

use super::get_object::{ATTEMPTS, wants_checksum};
use super::wanted::Wanted;
use super::{conditions, gate, headers, lifecycle, object_lock, tags, version_id};
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Error, Result};

pub(super) async fn head_object(
    app: &App,
    permit: &Permit,
    request: S3Request<dto::HeadObjectInput>,
) -> Result<S3Response<dto::HeadObjectOutput>> {
    let mut attempt = 1;
    loop {
        match read(app, permit, &request).await {
            Err(error) if error.code() == Code::BlobUnknown && attempt < ATTEMPTS => attempt += 1,
            Err(error) if error.code() == Code::BlobUnknown => {
                let error = Error::from(Code::OperationAborted).source(error);
                return Err(error.detail("the object was replaced each time its part was looked up"));
            }
            result => return result,
        }
    }
}

async fn read(
    app: &App,
    permit: &Permit,
    request: &S3Request<dto::HeadObjectInput>,
) -> Result<S3Response<dto::HeadObjectOutput>> {
    let input = &request.input;
    let object = gate::object(app, permit, &input.bucket, &input.key).await?;
    let head = &object.head;
    conditions::check(&conditions::read(&request.headers, conditions::READ), head)?;
    let wanted = Wanted::of(app, head, &request.headers, input.range, input.part_number).await?;
    let mut more = headers::beyond(&object);
    headers::override_headers!(&mut more, input)?;
    tags::tell_count(app, permit, head, &mut more);
    object_lock::tell(app, permit, head, &mut more);

    let mut output = headers::describe!(HeadObjectOutput, head);
    output.content_length = Some(i64::try_from(wanted.length()).map_err(Error::internal)?);
    output.version_id = version_id::told(object.version_id());
    if head.is_latest {
        let what = (head.key.as_str(), head.size, &head.tags);
        output.expiration = lifecycle::expiration_of(app, &input.bucket, what, head.last_modified);
    }
    output.content_range = wanted.content_range(head.size);
    output.parts_count = wanted.parts_count(head);
    if wants_checksum(input.checksum_mode.as_ref())
        && let Some(checksums) = wanted.checksums(head)
    {
        output.checksum_type = headers::checksum_type(head);
        output = headers::with_checksums!(output, checksums);
    }
    Ok(S3Response::with_headers(output, more))
}
