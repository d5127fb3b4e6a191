//! What the operations about a bucket's configuration share: to read, set and remove a document, and to change nothing.

use crate::app::App;
use crate::authz::Permit;
use crate::bucket_configuration::Document;
use crate::error::{Code, Error, Result};
use crate::index::NewConfiguration;

/// A document as it stands; none where it was never set.
///
/// # Errors
/// `NoSuchBucket`.
pub(super) async fn stored<D: Document>(app: &App, bucket: &str) -> Result<Option<D>> {
    match app.index.bucket_configuration(bucket, D::KIND).await? {
        Some(found) => serde_json::from_value(found.document).map(Some).map_err(Error::internal),
        None => Ok(None),
    }
}

/// Sets a document.
///
/// # Errors
/// `NoSuchBucket`.
pub(super) async fn put<D: Document>(app: &App, permit: &Permit, bucket: &str, document: &D) -> Result<()> {
    let document = serde_json::to_value(document).map_err(Error::internal)?;
    let (by, record) = (permit.principal().to_string(), permit.record());
    let new = NewConfiguration { bucket, kind: D::KIND, document: &document, by: &by, audit: record.as_slice() };
    app.index.put_bucket_configuration(new).await?;
    know::<D>(app).await
}

/// Removes a document; one that was not set is removed alike, as S3 does it.
///
/// # Errors
/// `NoSuchBucket`.
pub(super) async fn delete<D: Document>(app: &App, permit: &Permit, bucket: &str) -> Result<()> {
    app.index.delete_bucket_configuration(bucket, D::KIND, permit.record().as_slice()).await?;
    know::<D>(app).await
}

/// This replica at least goes by it from now on; the others are told.
///
/// # Errors
/// `IndexUnavailable`.
pub(super) async fn know<D: Document>(app: &App) -> Result<()> {
    if D::KIND.is_known_without_asking() {
        app.authority.policies().refresh(&app.index).await?;
    }
    Ok(())
}

/// A change that asks for what is so already: on record, and nothing else.
///
/// # Errors
/// `NoSuchBucket`; `SlowDown` where it cannot be recorded in time.
pub(super) async fn unchanged(app: &App, permit: &Permit, bucket: &str) -> Result<()> {
    app.index.bucket(bucket).await?;
    match permit.record() {
        Some(record) => app.journal.record(record).await,
        None => Ok(()),
    }
}

/// The answer for what no bucket has.
///
/// # Errors
/// `NoSuchBucket`, or the code.
pub(super) async fn none<T>(app: &App, bucket: &str, code: Code) -> Result<T> {
    app.index.bucket(bucket).await?;
    Err(missing(code, bucket))
}

/// Whether the bucket locks objects, as requests about an object's lock need it.
///
/// # Errors
/// `NoSuchBucket`, `ObjectLockMissing`.
pub(super) async fn expect_object_lock(app: &App, bucket: &str) -> Result<()> {
    app.index.object_lock(bucket).await?.map(drop).ok_or_else(|| missing(Code::ObjectLockMissing, bucket))
}

/// What is not there, with the bucket's name.
pub(super) fn missing(code: Code, bucket: &str) -> Error {
    Error::from(code).with("BucketName", bucket)
}

/// What S3 has and this service does not, in words.
pub(super) fn not_implemented(text: &'static str) -> Error {
    Error::new(Code::NotImplemented, text)
}
