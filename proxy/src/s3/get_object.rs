//! GetObject.

use std::ops::Range;
use std::time::Instant;

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use http_body::Frame;
use http_body_util::StreamBody;
use s3s::dto::StreamingBlob;
use s3s::{S3Request, S3Response, dto};

use super::dispatch::extension;
use super::{conditions, headers, range};
use crate::app::App;
use crate::authz::Permit;
use crate::error::{Code, Error, RequestId, Result};
use crate::gateway::BoxError;
use crate::index::{Object, Segments, slice};
use crate::store::ByteStream;
use crate::telemetry::{Download, Item};

/// How often a read starts again because the object was replaced, and its bytes swept, while it was looked up.
const ATTEMPTS: u32 = 3;

pub(super) async fn get_object(
    app: &App,
    _permit: &Permit,
    request: S3Request<dto::GetObjectInput>,
) -> Result<S3Response<dto::GetObjectOutput>> {
    let mut attempt = 1;
    loop {
        match read(app, &request).await {
            // Bytes outlive their name by `blobs.sweep_grace`, so that this is rare; more than that is a loss.
            Err(error) if error.code() == Code::BlobUnknown && attempt < ATTEMPTS => attempt += 1,
            Err(error) if error.code() == Code::BlobUnknown => {
                let (bucket, key) = (&request.input.bucket, &request.input.key);
                return Err(
                    Error::internal(format!("bytes of {bucket}/{key} are named and not at the store")).source(error)
                );
            }
            result => return result,
        }
    }
}

async fn read(app: &App, request: &S3Request<dto::GetObjectInput>) -> Result<S3Response<dto::GetObjectOutput>> {
    let begun = Instant::now();
    let input = &request.input;
    let object = app.index.object(&input.bucket, &input.key).await?;
    let head = &object.head;
    conditions::check(&conditions::read(&request.headers, conditions::READ), head)?;
    let asked = input.range.filter(|_| range::if_range_holds(&request.headers, &head.etag, head.last_modified));
    let range = range::resolve(asked, head.size)?;
    let wanted = range.clone().unwrap_or(0..head.size);

    let length = wanted.end - wanted.start;
    let segments = segments(app, &object, wanted).await?;
    let bytes = begin(app.blobs.read(segments)).await?;
    let id: RequestId = extension(request)?;

    let mut output = headers::describe!(GetObjectOutput, head);
    let content_type = output.content_type.clone().unwrap_or_default();
    let download = Download::new(Item::object(&input.bucket, &content_type), begun);
    output.content_length = Some(i64::try_from(length).map_err(Error::internal)?);
    output.content_range = range.as_ref().map(|range| range::content_range(range, head.size));
    output.body = Some(streaming(counted(bytes, length, download), id));
    if range.is_none() && wants_checksum(input.checksum_mode.as_ref()) {
        output.checksum_type = headers::checksum_type(head);
        output = headers::with_checksums!(output, &head.checksums);
    }
    Ok(S3Response::with_headers(output, headers::expires(head)))
}

/// Whether a read asks for checksums; a read of a range never gets them, for they cover the whole.
pub(super) fn wants_checksum(mode: Option<&dto::ChecksumMode>) -> bool {
    mode.is_some_and(|mode| mode.as_str() == dto::ChecksumMode::ENABLED)
}

/// The segments that hold a range of an object.
pub(super) async fn segments(app: &App, object: &Object, range: Range<u64>) -> Result<Segments> {
    if range.is_empty() {
        return Ok(Segments::new());
    }
    let segments = match &object.segment {
        Some(segment) => slice(std::slice::from_ref(segment), &range),
        // The version may be gone since it was looked up: the caller looks again.
        None => app.index.segments(object.head.id, range.clone()).await.map_err(|error| match error.code() {
            Code::NoSuchKey => Error::from(Code::BlobUnknown),
            _ => error,
        })?,
    };
    let held: u64 = segments.iter().map(|segment| segment.size).sum();
    if held == range.end - range.start {
        return Ok(segments);
    }
    Err(Error::internal(format!("the segments of object {} hold {held} bytes of {range:?}", object.head.id)))
}

/// Waits for the first bytes, so that a store that fails is an error and not a cut connection.
async fn begin(mut bytes: ByteStream) -> Result<impl Stream<Item = Result<Bytes>> + Send + 'static> {
    let first = bytes.next().await.transpose()?;
    Ok(futures::stream::iter(first.map(Ok)).chain(bytes))
}

/// Counts the bytes as they are taken, and the download when the body has been read past its last byte, which is when that
/// byte was handed to the connection. Dropped before, or after too few bytes, it counts as cut.
fn counted(
    bytes: impl Stream<Item = Result<Bytes>> + Send + 'static,
    length: u64,
    download: Download,
) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
    let start = (Box::pin(bytes), download, length);
    futures::stream::unfold(Some(start), |state| async {
        let (mut bytes, mut download, left) = state?;
        match bytes.next().await {
            Some(Ok(chunk)) => {
                download.sent(chunk.len() as u64);
                let left = left.saturating_sub(chunk.len() as u64);
                Some((Ok(chunk), Some((bytes, download, left))))
            }
            // The download is dropped here, and so it was cut.
            Some(Err(error)) => Some((Err(error), None)),
            None => {
                if left == 0 {
                    download.complete();
                }
                None
            }
        }
    })
}

/// The body. An error in it cuts the connection: the client sees that bytes are missing. The status has been sent, so it
/// is logged here.
fn streaming(bytes: impl Stream<Item = Result<Bytes>> + Send + 'static, id: RequestId) -> StreamingBlob {
    let frames = bytes
        .inspect_err(move |error| error.log(id.as_str(), "GetObject"))
        .map(|bytes| bytes.map(Frame::data).map_err(BoxError::from));
    StreamingBlob::from(s3s::Body::http_body_unsync(StreamBody::new(frames)))
}
