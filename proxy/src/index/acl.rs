//! Access control lists of buckets and of objects that are there. Those of new ones are written with them.
//!
//! What does not live here: what a list allows (crate `zas-policy`), and how it is written ([`crate::bucket_configuration::acl`]).

use serde_json::Value;
use sqlx::types::Json;
use zas_policy::{AccessControlList, AccessLists};

use super::Index;
use super::audited::audited;
use super::convert::check;
use crate::audit::Record;
use crate::bucket_configuration::{ObjectOwnership, OwnershipControls, PublicAccessBlock, acl};
use crate::error::{Code, Error, Result};

/// What decides about lists in a bucket, of one instant.
#[derive(Debug, Clone)]
pub struct Lists {
    /// Who owns the objects, and so whether lists count.
    pub ownership: ObjectOwnership,
    /// What keeps the public out.
    pub block: PublicAccessBlock,
    /// The bucket's list.
    pub bucket: AccessControlList,
    /// That of the object that was asked about; none where there is none.
    pub object: Option<ObjectList>,
}

/// The list of a version.
#[derive(Debug, Clone)]
pub struct ObjectList {
    /// The version's row.
    pub id: i64,
    /// The list.
    pub list: AccessControlList,
}

/// Which object: its key, and its version where not the current one is meant.
#[derive(Debug, Clone, Copy)]
pub struct ListOf<'a> {
    /// The key.
    pub key: &'a str,
    /// The version's id.
    pub version: Option<&'a str>,
}

/// What the list of an object shall be.
#[derive(Debug, Clone, Copy)]
pub struct NewObjectList<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The object.
    pub object: ListOf<'a>,
    /// Only while it is this version's row; unset: whichever it is.
    pub only_row: Option<i64>,
    /// The list.
    pub list: &'a AccessControlList,
    /// What is recorded with it.
    pub audit: &'a [Record],
}

/// What a new bucket begins with besides.
#[derive(Debug, Clone, Copy, Default)]
pub struct BeginsWith<'a> {
    /// Who owns its objects.
    pub ownership: ObjectOwnership,
    /// Its list; unset: the owner alone may do everything.
    pub list: Option<&'a AccessControlList>,
}

const ONE: &str = "
    SELECT b.owner AS bucket_owner, b.acl AS bucket_acl, c.document AS ownership, k.document AS block,
           o.id AS object_id, o.owner AS object_owner, o.acl AS object_acl
    FROM buckets b
    LEFT JOIN bucket_configurations c ON c.bucket_id = b.id AND c.kind = 'ownership-controls'
    LEFT JOIN bucket_configurations k ON k.bucket_id = b.id AND k.kind = 'public-access-block'
    LEFT JOIN LATERAL version_with_list(b.id, $2, $3) o ON NOT o.is_delete_marker
    WHERE b.name = $1";

const PUT_OF_BUCKET: &str = audited!(4, "SELECT put_bucket_acl($1, $2, $3) AS status");

/// The event is told by the same statement, once the row is changed; who has done it stands in the record.
const PUT_OF_OBJECT: &str = audited!(
    7,
    "SELECT put.status, CASE WHEN put.status = 'ok'
         THEN tell_object_event($1, 'ObjectAcl:Put', $2, ($7::text[])[1]::json->>'principal', $3) END AS is_told
     FROM (SELECT put_object_acl($1, $2, $3, $4, $5, $6) AS status OFFSET 0) AS put"
);

const PUT_OWNERSHIP: &str = audited!(4, "SELECT put_object_ownership($1, $2, $3) AS status");

#[derive(sqlx::FromRow)]
struct Row {
    bucket_owner: String,
    bucket_acl: Option<Value>,
    ownership: Option<Value>,
    block: Option<Value>,
    object_id: Option<i64>,
    object_owner: Option<String>,
    object_acl: Option<Value>,
}

impl Row {
    /// What cannot be read keeps everybody out.
    fn into_lists(self) -> Lists {
        let ownership = self.ownership.and_then(|document| serde_json::from_value::<OwnershipControls>(document).ok());
        let block = match self.block.map(serde_json::from_value) {
            None => PublicAccessBlock::default(),
            Some(read) => read.unwrap_or(PublicAccessBlock::ALL),
        };
        let object = self.object_id.zip(self.object_owner);
        Lists {
            ownership: ownership.map(|controls| controls.ownership()).unwrap_or_default(),
            block,
            bucket: acl::read(self.bucket_owner, self.bucket_acl),
            object: object.map(|(id, owner)| ObjectList { id, list: acl::read(owner, self.object_acl) }),
        }
    }
}

impl Lists {
    /// What counts of them for a decision; none where lists count for nothing.
    #[must_use]
    pub fn that_count(&self) -> Option<AccessLists<'_>> {
        self.ownership.has_lists().then(|| AccessLists {
            bucket: &self.bucket,
            object: self.object.as_ref().map(|object| &object.list),
            ignores_public: self.block.ignore_public_acls,
        })
    }

    /// The row of the object's version.
    #[must_use]
    pub fn object_id(&self) -> Option<i64> {
        self.object.as_ref().map(|object| object.id)
    }
}

impl Index {
    /// The lists of a bucket and of an object in it; one round trip.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn lists(&self, bucket: &str, object: Option<ListOf<'_>>) -> Result<Lists> {
        let (key, version) = (object.map(|object| object.key), object.and_then(|object| object.version));
        let row: Option<Row> = self.fetch_optional(|| sqlx::query_as(ONE).bind(bucket).bind(key).bind(version)).await?;
        row.map(Row::into_lists).ok_or_else(|| Code::NoSuchBucket.into())
    }

    /// Replaces the list of a bucket.
    /// # Errors
    /// `NoSuchBucket`; `AccessControlListNotSupported` where lists count for nothing; `AccessDenied` where the public access block refuses
    /// lists that let the public in.
    pub async fn put_bucket_acl(&self, bucket: &str, list: &AccessControlList, audit: &[Record]) -> Result<()> {
        let (records, document) = (self.canonical(audit), acl::written(list));
        let (status,): (String,) = self
            .fetch_one(|| {
                sqlx::query_as(PUT_OF_BUCKET)
                    .bind(bucket)
                    .bind(document.as_ref().map(Json))
                    .bind(list.is_public())
                    .bind(&records)
            })
            .await?;
        check_list(&status)
    }

    /// Replaces the list of an object; its time of change stays.
    /// # Errors
    /// As [`Self::put_bucket_acl`]; `NoSuchKey`, and `OperationAborted` where it is another version than it was to be.
    pub async fn put_object_acl(&self, new: NewObjectList<'_>) -> Result<()> {
        let (records, document) = (self.canonical(new.audit), acl::written(new.list));
        let (status, _): (String, Option<bool>) = self
            .fetch_one(|| {
                sqlx::query_as(PUT_OF_OBJECT)
                    .bind(new.bucket)
                    .bind(new.object.key)
                    .bind(new.object.version)
                    .bind(new.only_row)
                    .bind(document.as_ref().map(Json))
                    .bind(new.list.is_public())
                    .bind(&records)
            })
            .await?;
        check_list(&status)
    }

    /// Sets who owns the objects of a bucket.
    /// # Errors
    /// `NoSuchBucket`; `InvalidBucketAclWithObjectOwnership` where the bucket's list gives something to others, and its owner shall own
    /// everything.
    pub async fn put_object_ownership(
        &self,
        bucket: &str,
        ownership: ObjectOwnership,
        by: &str,
        audit: &[Record],
    ) -> Result<()> {
        let records = self.canonical(audit);
        let controls = OwnershipControls::of(ownership);
        let (status,): (String,) = self
            .fetch_one(|| sqlx::query_as(PUT_OWNERSHIP).bind(bucket).bind(Json(&controls)).bind(by).bind(&records))
            .await?;
        match status.as_str() {
            "InvalidBucketAclWithObjectOwnership" => Err(Error::from(Code::InvalidBucketAclWithObjectOwnership)),
            status => check(status),
        }
    }
}

fn check_list(status: &str) -> Result<()> {
    match status {
        "AccessControlListNotSupported" => Err(Code::AccessControlListNotSupported.into()),
        "PublicAclBlocked" => Err(Code::AccessDenied.into()),
        status => check(status),
    }
}
