//! What the client does with registries that misbehave; each group in a file of its own.

mod calls;
mod reads;
mod uploads;

use futures::TryStreamExt as _;

use super::*;
use crate::error::{Code, Error};

const REPOSITORY: &str = "s3/bucket/00";

fn stream(chunks: impl IntoIterator<Item = Result<Bytes>, IntoIter: Send + 'static>) -> ByteStream {
    Box::pin(futures::stream::iter(chunks))
}

/// All bytes of a stream, or the error at its end.
async fn all(stream: ByteStream) -> Result<Vec<u8>> {
    stream
        .try_fold(Vec::new(), async |mut all, chunk| {
            all.extend_from_slice(&chunk);
            Ok(all)
        })
        .await
}

/// The text that the log gets of a failure.
fn log<T: std::fmt::Debug>(result: Result<T>, code: Code) -> String {
    let error: Error = result.unwrap_err();
    assert_eq!(error.code(), code, "{}", error.for_log());
    error.for_log()
}
