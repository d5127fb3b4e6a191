//! A move within a bucket: the new name and the end of the old one commit together, and no byte moves.

use std::time::Duration;

use sqlx::types::Json;
use zas_policy::AccessControlList;

use super::{
    CopySource, DeleteBy, DeleteCause, Deletion, Index, ListOf, NewLock, Object, Tags, Versioning, WriteConditions,
};
use crate::audit::Record;
use crate::error::{Code, Error, Result};

/// A move. The rights to it were asked for what the caller has read: where any of that is another meanwhile, nothing is moved.
#[derive(Debug, Clone, Copy)]
pub struct Rename<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// What is moved, as the caller read it.
    pub source: &'a Object,
    /// Its list, likewise.
    pub list: &'a AccessControlList,
    /// Its new key.
    pub key: &'a str,
    /// Who moves it. It stays whose it is.
    pub by: &'a str,
    /// What must hold of what the new key has.
    pub conditions: WriteConditions<'a>,
    /// As in [`NewObject::grace`](super::NewObject::grace).
    pub grace: Duration,
    /// What is recorded of the new name.
    pub audit: &'a [Record],
    /// And of the old one.
    pub audit_of_source: &'a [Record],
}

/// Held as it is until the move has ended, ahead of its objects, as everybody locks them.
const BUCKET: &str = "SELECT id, versioning FROM buckets WHERE name = $1 FOR KEY SHARE";

/// In key order, as everybody locks them.
const LOCK: &str = r#"
    SELECT id, tags FROM objects
    WHERE bucket_id = $1 AND key = ANY ($2) AND is_latest
    ORDER BY key COLLATE "C"
    FOR UPDATE"#;

const LOOK: &str = r#"
    SELECT id, tags FROM objects
    WHERE bucket_id = $1 AND key = ANY ($2) AND is_latest
    ORDER BY key COLLATE "C""#;

/// What a key has.
#[derive(sqlx::FromRow)]
struct Latest {
    id: i64,
    tags: Json<Tags>,
}

impl Index {
    /// Gives an object another key, with all that is said of it.
    /// # Errors
    /// `NoSuchBucket`, `PreconditionFailed`, `NoSuchKey` for `If-Match` on nothing; `NotImplemented` where the bucket keeps versions;
    /// `QuotaExceeded` where the bucket has no room for both for as long as the move takes; `OperationAborted` where another change was in
    /// the way: whoever reads the source anew may try again.
    pub async fn rename_object(&self, rename: Rename<'_>) -> Result<()> {
        if rename.source.keeps_versions {
            return Err(keeps_versions());
        }
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
        let Rename { bucket, source, list, key, by, conditions, grace, audit, audit_of_source } = rename;
        let head = &source.head;
        self.hold_both(rename).await?;
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
        self.copy_object_with(copy, Some(list)).await?;
        let wanted = [Deletion { only_row: Some(head.id), ..Deletion::of(&head.key) }];
        let by = DeleteBy { cause: DeleteCause::Request, owner: by, grace };
        let gone = self.delete_versions(bucket, &wanted, by, audit_of_source).await?.pop();
        gone.unwrap_or_else(|| Err(Error::internal("a delete has no outcome"))).map(drop)
    }

    /// Locks what both keys have, before anything else is: two moves, and whoever else changes several keys, wait for each other, and not
    /// in a circle. Under the locks what is said of the source stays what it is.
    async fn hold_both(&self, rename: Rename<'_>) -> Result<()> {
        let Rename { bucket, source: Object { head, .. }, list, key, .. } = rename;
        let held: Option<(i64, String)> = self.fetch_optional(|| sqlx::query_as(BUCKET).bind(bucket)).await?;
        let (bucket_id, versioning) = held.ok_or_else(|| Error::from(Code::NoSuchBucket))?;
        if versioning != Versioning::Off.as_str() {
            return Err(keeps_versions());
        }
        let keys = vec![head.key.as_str(), key];
        let locked: Vec<Latest> = self.fetch_all(|| sqlx::query_as(LOCK).bind(bucket_id).bind(&keys)).await?;
        // A statement of its own: where a writer was waited for, the one that locks knows nothing of what that writer has made.
        let found: Vec<Latest> = self.fetch_all(|| sqlx::query_as(LOOK).bind(bucket_id).bind(&keys)).await?;
        let lists = self.lists(bucket, Some(ListOf { key: &head.key, version: None })).await?;
        let are_locked = locked.iter().map(|row| row.id).eq(found.iter().map(|row| row.id));
        let has_tags = found.iter().any(|row| row.id == head.id && row.tags.0 == head.tags);
        let has_list = lists.object.is_some_and(|found| found.id == head.id && found.list == *list);
        if are_locked && has_tags && has_list { Ok(()) } else { Err(changed()) }
    }
}

fn keeps_versions() -> Error {
    Error::new(Code::NotImplemented, "RenameObject is not implemented where versions are kept.")
}

fn changed() -> Error {
    Error::from(Code::OperationAborted).detail("what was to be renamed, or its new name, was changed meanwhile")
}
