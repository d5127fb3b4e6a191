//! The bytes of an object on their way out, for both doors: GetObject, and the layer of the object's OCI manifest.

use std::ops::Range;

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use http_body::Frame;

use crate::app::App;
use crate::error::{Error, RequestId, Result};
use crate::gateway::BoxError;
use crate::index::Object;
use crate::store::ByteStream;
use crate::telemetry::Download;

/// A range of an object's bytes, counted as `download`. When this returns the first of them are there, so that a store that fails
/// is an error and not a cut connection.
///
/// # Errors
/// `BlobUnknown` where the object was replaced since it was looked up: the caller looks again. What index and store fail with.
pub(crate) async fn flow(
    app: &App,
    object: &Object,
    range: Range<u64>,
    download: Download,
) -> Result<impl Stream<Item = Result<Bytes>> + Send + use<>> {
    let length = range.end - range.start;
    let segments = app.index.segments_of(object, range).await?;
    let bytes = begin(app.blobs.read(segments)).await?;
    Ok(counted(bytes, length, download))
}

/// As frames of a body. An error in them cuts the connection: the client sees that bytes are missing. The status has been sent,
/// so it is logged here.
pub(crate) fn frames(
    bytes: impl Stream<Item = Result<Bytes>> + Send + 'static,
    id: RequestId,
    operation: &'static str,
) -> impl Stream<Item = Result<Frame<Bytes>, BoxError>> + Send + 'static {
    bytes.inspect_err(move |error| error.log(id.as_str(), operation)).map(|bytes| bytes.map(Frame::data).map_err(boxed))
}

fn boxed(error: Error) -> BoxError {
    Box::new(error)
}

/// Waits for the first bytes.
pub(crate) async fn begin(mut bytes: ByteStream) -> Result<impl Stream<Item = Result<Bytes>> + Send + 'static> {
    let first = bytes.next().await.transpose()?;
    Ok(futures::stream::iter(first.map(Ok)).chain(bytes))
}

/// Counts the bytes as they are taken, and the download when the body has been read past its last byte, which is when that
/// byte was handed to the connection. Dropped before, or after too few bytes, it counts as cut.
pub(crate) fn counted(
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
