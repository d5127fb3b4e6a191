//! The blobs of a referrer: all of them must be in its repository before its manifest is.
//!
//! A client is told that a blob is there already where it is the empty config, or the layer of an object that it may read, and
//! then does not push it. Such a blob is put into the repository here.

use futures::future::try_join_all;

use super::blob::EMPTY;
use super::visit::{KEYS, Visit};
use crate::digest::Digest;
use crate::error::{Code, Error, Result};

/// Blobs that are looked for at once.
const CONCURRENCY: usize = 8;

/// Sees to it that `home` has all of these blobs.
///
/// # Errors
/// `ManifestBlobUnknown` for one that was not pushed; `ManifestInvalid` for one that has another size.
pub(super) async fn provide(visit: &Visit<'_>, home: &str, blobs: &[(Digest, u64)]) -> Result<()> {
    for some in blobs.chunks(CONCURRENCY) {
        try_join_all(some.iter().map(|(digest, size)| provide_one(visit, home, digest, *size))).await?;
    }
    Ok(())
}

async fn provide_one(visit: &Visit<'_>, home: &str, digest: &Digest, size: u64) -> Result<()> {
    let store = &visit.app.store;
    match store.head_blob(home, digest).await? {
        Some(found) if found == size => return Ok(()),
        Some(_) => {
            return Err(Error::new(
                Code::ManifestInvalid,
                format!("{digest} has another size than the manifest says."),
            ));
        }
        None => {}
    }
    if *digest == Digest::of(EMPTY) {
        return store.put_blob(home, digest, EMPTY.into()).await;
    }
    if copy_of_object(visit, home, digest, size).await? {
        return Ok(());
    }
    Err(Error::new(Code::ManifestBlobUnknown, format!("{digest} was not pushed.")))
}

/// Copies the bytes of an object that the caller may read; whether there is one.
async fn copy_of_object(visit: &Visit<'_>, home: &str, digest: &Digest, size: u64) -> Result<bool> {
    let (app, bucket) = (visit.app, visit.folder.bucket());
    let found = app.index.content_keys(bucket, "", digest, KEYS).await?;
    let Some(key) = visit.readable(&found.keys).filter(|_| found.size == size) else { return Ok(false) };
    let object = app.index.object(bucket, key).await?;
    if object.content_digest.as_ref() != Some(digest) {
        return Ok(false);
    }
    let segments = app.index.segments_of(&object, 0..size).await?;
    // What is cut off here the registry's own garbage collection removes: the repository is not in the store of S3 bytes.
    let mut session = app.store.start_upload(home).await?;
    session.append(app.blobs.read(segments)).await?;
    session.finish(digest, size).await?;
    Ok(true)
}
