//! A move within a bucket: the new name and the end of the old one commit together, and no byte moves.

use std::time::Duration;

use super::{
    CopySource, DeleteBy, DeleteCause, Deletion, Index, ListOf, NewLock, Object, ObjectList, Versioning,
    WriteConditions,
};
use crate::audit::Record;
use crate::error::{Code, Error, Result};

/// A move.
#[derive(Debug, Clone, Copy)]
pub struct Rename<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// What is moved, as the caller read it: if it is another one meanwhile, `NoSuchKey` or `OperationAborted`.
    pub source: &'a Object,
    /// Its new key.
    pub key: &'a str,
    /// What must hold of what the new key has.
    pub conditions: WriteConditions<'a>,
    /// Who moves it. The object stays with its owner.
    pub by: &'a str,
    /// As in [`NewObject::grace`](super::NewObject::grace).
    pub grace: Duration,
    /// What is recorded of the new name.
    pub audit: &'a [Record],
    /// And of the old one.
    pub audit_of_source: &'a [Record],
}

impl Index {
    /// Gives an object another key, with all that is said of it.
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`, `PreconditionFailed`; `NotImplemented` where the bucket keeps versions; `QuotaExceeded` where the
    /// bucket has no room for both for as long as the move takes; `OperationAborted` where another change was in the way.
    pub async fn rename_object(&self, rename: Rename<'_>) -> Result<()> {
        let unit = self.begin().await?;
        match unit.index().move_object(rename).await {
            Ok(()) => unit.commit().await,
            Err(error) => {
                unit.abandon().await;
                Err(error)
            }
        }
    }

    async fn move_object(&self, rename: Rename<'_>) -> Result<()> {
        let Rename { bucket, source, key, conditions, by, grace, audit, audit_of_source } = rename;
        let head = &source.head;
        let lists = self.lists(bucket, Some(ListOf { key: &head.key, version: None })).await?;
        let list = lists.object.filter(|found| found.id == head.id).map(|ObjectList { list, .. }| list);
        let copy = CopySource {
            object_id: head.id,
            bucket,
            key,
            replace: None,
            tags: None,
            storage_class: &head.storage_class,
            owner: &head.owner,
            conditions,
            lock: NewLock::default(),
            content_digest: source.content_digest,
            grace,
            audit,
        };
        self.copy_object_with(copy, list.as_ref()).await?;
        // Behind the copy, which holds the bucket as it is.
        if self.bucket_versioning(bucket).await? != Versioning::Off {
            return Err(Error::new(Code::NotImplemented, "RenameObject is not implemented where versions are kept."));
        }
        let wanted = [Deletion { only_row: Some(head.id), ..Deletion::of(&head.key) }];
        let by = DeleteBy { cause: DeleteCause::Request, owner: by, grace };
        let gone = self.delete_versions(bucket, &wanted, by, audit_of_source).await?.pop();
        gone.unwrap_or_else(|| Err(Error::internal("a delete has no outcome"))).map(drop)
    }
}
