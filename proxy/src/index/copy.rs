//! Copies: a new version that names the segments of another one.

use std::time::Duration;

use sqlx::types::Json;
use zas_policy::AccessControlList;

use super::audited::audited;
use super::object::CommittedRow;
use super::{Committed, Headers, Index, Metadata, NewLock, Tags, WriteConditions};
use crate::audit::Record;
use crate::bucket_configuration::acl;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};
use crate::index::convert::seconds;

/// A copy: no bytes move, the new version names the same segments.
#[derive(Debug, Clone)]
pub struct CopySource<'a> {
    /// The source's row, as the caller read it ([`ObjectHead::id`]): if it is gone meanwhile, `NoSuchKey`.
    pub object_id: i64,
    /// The destination's bucket.
    pub bucket: &'a str,
    /// The destination's key.
    pub key: &'a str,
    /// New headers and metadata, or `None` to keep the source's.
    pub replace: Option<(&'a Headers, &'a Metadata)>,
    /// New tags, or `None` to keep the source's.
    pub tags: Option<&'a Tags>,
    /// Storage class of the destination.
    pub storage_class: &'a str,
    /// Who copies.
    pub owner: &'a str,
    /// What must hold of the destination.
    pub conditions: WriteConditions<'a>,
    /// As in [`NewObject::lock`](super::NewObject::lock): that of the source stays with it.
    pub lock: NewLock,
    /// The source's, where it is known: the copy has the same bytes ([`Object::content_digest`](super::Object::content_digest)).
    pub content_digest: Option<Digest>,
    /// As in [`NewObject::grace`](super::NewObject::grace).
    pub grace: Duration,
    /// What is recorded with it; empty where the service acts of itself.
    pub audit: &'a [Record],
}

const COPY: &str = audited!(
    11,
    "SELECT status, object_id, modified_at, version, artifact_settle(object_id, $12) AS oci_digest,
            tag_object(object_id, $13) AS tagged, lock_object(object_id, $14, $15, $16) AS locked,
            CASE WHEN $17 IS NOT NULL THEN grant_object(object_id, $17) END AS granted
     FROM copy_object($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
);

impl Index {
    /// Commits a copy; whoever copies alone may do everything with it.
    /// # Errors
    /// As [`Self::commit_object`]; `NoSuchKey` where the source is gone.
    pub async fn copy_object(&self, copy: CopySource<'_>) -> Result<Committed> {
        self.copy_object_with(copy, None).await
    }

    /// As [`Self::copy_object`], for a copy with a list: it has none of its source's.
    /// # Errors
    /// As [`Self::copy_object`].
    pub async fn copy_object_with(&self, copy: CopySource<'_>, list: Option<&AccessControlList>) -> Result<Committed> {
        let list = list.and_then(acl::written);
        let records = self.canonical(copy.audit);
        let row: CommittedRow = self
            .fetch_one(|| {
                sqlx::query_as(COPY)
                    .bind(copy.object_id)
                    .bind(copy.bucket)
                    .bind(copy.key)
                    .bind(copy.replace.map(|(headers, _)| Json(headers)))
                    .bind(copy.replace.map(|(_, metadata)| Json(metadata)))
                    .bind(copy.storage_class)
                    .bind(copy.owner)
                    .bind(copy.conditions.absent)
                    .bind(copy.conditions.etag)
                    .bind(seconds(copy.grace))
                    .bind(&records)
                    .bind(copy.content_digest.as_ref().map(|digest| digest.as_bytes().as_slice()))
                    .bind(copy.tags.map(Json))
                    .bind(copy.lock.mode())
                    .bind(copy.lock.until())
                    .bind(copy.lock.legal_hold)
                    .bind(list.as_ref().map(Json))
            })
            .await
            .map_err(|failure| match failure.is_blob_gone() {
                true => Error::from(Code::NoSuchKey).source(failure),
                false => failure.into(),
            })?;
        row.into_committed()
    }
}
