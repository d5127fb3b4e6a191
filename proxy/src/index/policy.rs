//! Policies, roles and attachments: the documents, their versions and their history.
//!
//! What does not live here: what a document means (crate `zas-policy`), and the snapshot that requests are decided by (`authz`).

use serde_json::Value;
use time::OffsetDateTime;
use zas_policy::builtin_policy;

use super::audited::audited;
use super::convert::check;
use super::failure::Failure;
use super::{ConfigurationKind, Index, KnownConfiguration};
use crate::audit::Record;
use crate::error::{Error, Result};

/// What a document is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DocumentKind {
    /// A policy that is attached to users, roles and groups.
    Policy,
    /// The policy of a bucket.
    Bucket,
    /// The trust policy of a role.
    Role,
}

impl DocumentKind {
    /// The name in the index.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::Bucket => "bucket",
            Self::Role => "role",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Policy, Self::Bucket, Self::Role].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A document as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyDocument {
    /// What it is for.
    pub kind: DocumentKind,
    /// The policy's, bucket's or role's name.
    pub name: String,
    /// The JSON text as it was sent.
    pub document: String,
    /// For people.
    pub description: String,
    /// Roles: the longest session, in seconds.
    pub max_session: Option<i32>,
    /// Grows with each change of any document.
    pub version: i64,
    /// When it became what it is.
    pub changed_at: OffsetDateTime,
    /// By whom.
    pub changed_by: String,
}

/// What a document shall be.
#[derive(Debug, Clone, Copy)]
pub struct NewDocument<'a> {
    /// What it is for.
    pub kind: DocumentKind,
    /// The policy's, bucket's or role's name.
    pub name: &'a str,
    /// The JSON text; checked by the caller.
    pub document: &'a str,
    /// For people.
    pub description: &'a str,
    /// Roles: the longest session, in seconds, from 900 to 43,200.
    pub max_session: Option<i32>,
    /// The version that it replaces, 0 for none; unset: whatever there is.
    pub expected: Option<i64>,
    /// Who makes the change.
    pub by: &'a str,
    /// What is recorded with it; empty where the service acts of itself.
    pub audit: &'a [Record],
}

/// Whom a policy concerns.
#[derive(Debug, Clone, PartialEq, Eq, Hash, sqlx::FromRow)]
pub struct Attachment {
    /// The policy's name.
    pub policy: String,
    /// `user`, `role` or `group`.
    pub target_kind: String,
    /// The name of the user, role or group.
    pub target: String,
}

/// One change of the past.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct HistoryEntry {
    /// The version that the change made.
    pub version: i64,
    /// `put`, `delete`, `attach` or `detach`.
    pub change: String,
    /// The state after it.
    pub state: Value,
    /// When.
    pub changed_at: OffsetDateTime,
    /// By whom; empty: by the program itself.
    pub changed_by: String,
}

/// Everything that decisions are made by, as one instant had it.
#[derive(Debug, Clone, Default)]
pub struct PolicyData {
    /// The number of changes so far.
    pub revision: i64,
    /// Every document.
    pub documents: Vec<PolicyDocument>,
    /// Every attachment.
    pub attachments: Vec<Attachment>,
    /// What buckets are configured with, of the kinds that are known without asking.
    pub configurations: Vec<KnownConfiguration>,
}

const PUT: &str = audited!(8, "SELECT status, version FROM put_policy_document($1, $2, $3, $4, $5, $6, $7)");

const DELETE: &str = audited!(5, "SELECT delete_policy_document($1, $2, $3, $4) AS status");

const ATTACH: &str = audited!(6, "SELECT attach_policy($1, $2, $3, $4, $5) AS status");

const DETACH: &str = audited!(5, "SELECT detach_policy($1, $2, $3, $4) AS status");

const ONE: &str = "
    SELECT kind, name, document, description, max_session, version, changed_at, changed_by
    FROM policy_documents WHERE kind = $1 AND name = $2";

const LIST: &str = "
    SELECT kind, name, document, description, max_session, version, changed_at, changed_by
    FROM policy_documents WHERE kind = $1 AND name > $2 AND starts_with(name, $3) ORDER BY name LIMIT $4";

const ATTACHMENTS: &str = "
    SELECT policy, target_kind, target FROM policy_attachments
    WHERE policy = $1 AND (target_kind, target) > ($2, $3) ORDER BY target_kind, target LIMIT $4";

const HISTORY: &str = "
    SELECT version, change, state, changed_at, changed_by FROM policy_history
    WHERE (kind = $1 OR ($1 = 'policy' AND kind = 'attachment')) AND name = $2 AND version < $3
    ORDER BY version DESC LIMIT $4";

/// One statement, so that all of it is of one instant. An attachment's row has the policy where documents have their text. Which
/// configurations change the revision, `migrations/0032_access_control_lists.sql` and `0033_lifecycle.sql` say.
const EVERYTHING: &str = "
    SELECT 'document' AS what, kind, name, document, description, max_session, version, changed_at, changed_by
    FROM policy_documents
    UNION ALL
    SELECT 'attachment', target_kind, target, policy, '', NULL, version, changed_at, changed_by
    FROM policy_attachments
    UNION ALL
    SELECT 'configuration', c.kind, b.name, c.document::text, '', NULL, c.version, c.changed_at, c.changed_by
    FROM bucket_configurations c JOIN buckets b ON b.id = c.bucket_id
    WHERE c.kind IN ('cors', 'public-access-block', 'ownership-controls', 'lifecycle')
    UNION ALL
    SELECT 'revision', '', '', '', '', NULL, revision, clock_timestamp(), '' FROM policy_revision";

#[derive(sqlx::FromRow)]
struct Row {
    kind: String,
    name: String,
    document: String,
    description: String,
    max_session: Option<i32>,
    version: i64,
    changed_at: OffsetDateTime,
    changed_by: String,
}

#[derive(sqlx::FromRow)]
struct DataRow {
    what: String,
    #[sqlx(flatten)]
    row: Row,
}

impl Row {
    fn into_attachment(self) -> Attachment {
        Attachment { policy: self.document, target_kind: self.kind, target: self.name }
    }

    fn into_configuration(self) -> Result<KnownConfiguration> {
        let kind = ConfigurationKind::parse(&self.kind)
            .ok_or_else(|| Error::internal(format!("the index has a configuration of the kind {:?}", self.kind)))?;
        Ok(KnownConfiguration { bucket: self.name, kind, document: self.document })
    }

    fn into_document(self) -> Result<PolicyDocument> {
        let kind = DocumentKind::parse(&self.kind)
            .ok_or_else(|| Error::internal(format!("the index has a document of the kind {:?}", self.kind)))?;
        Ok(PolicyDocument {
            kind,
            name: self.name,
            document: self.document,
            description: self.description,
            max_session: self.max_session,
            version: self.version,
            changed_at: self.changed_at,
            changed_by: self.changed_by,
        })
    }
}

impl Index {
    /// Makes or replaces a document; its new version. For buckets there is [`Self::put_bucket_policy`].
    /// # Errors
    /// `PreconditionFailed` where another version stands there than expected; `NoSuchBucket`.
    pub async fn put_policy_document(&self, new: NewDocument<'_>) -> Result<i64> {
        let records = self.canonical(new.audit);
        let (status, version): (String, Option<i64>) = self
            .fetch_one(|| {
                sqlx::query_as(PUT)
                    .bind(new.kind.as_str())
                    .bind(new.name)
                    .bind(new.document)
                    .bind(new.description)
                    .bind(new.max_session)
                    .bind(new.expected)
                    .bind(new.by)
                    .bind(&records)
            })
            .await
            .map_err(Failure::refusal)?;
        check(&status)?;
        version.ok_or_else(|| Error::internal("put_policy_document answered without a version"))
    }

    /// Deletes a document with its attachments. `expected`: the version that is to be deleted; unset: whatever there is.
    /// # Errors
    /// `NoSuchEntity`, `PreconditionFailed`.
    pub async fn delete_policy_document(
        &self,
        kind: DocumentKind,
        name: &str,
        expected: Option<i64>,
        by: &str,
        audit: &[Record],
    ) -> Result<()> {
        let records = self.canonical(audit);
        let (status,): (String,) = self
            .fetch_one(|| sqlx::query_as(DELETE).bind(kind.as_str()).bind(name).bind(expected).bind(by).bind(&records))
            .await
            .map_err(Failure::refusal)?;
        check(&status)
    }

    /// One document; `None` where there is none.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn policy_document(&self, kind: DocumentKind, name: &str) -> Result<Option<PolicyDocument>> {
        let row: Option<Row> = self.fetch_optional(|| sqlx::query_as(ONE).bind(kind.as_str()).bind(name)).await?;
        row.map(Row::into_document).transpose()
    }

    /// Documents of a kind, in the order of their names: those that begin with `prefix` and come behind `after`.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn list_policy_documents(
        &self,
        kind: DocumentKind,
        prefix: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<PolicyDocument>> {
        let rows: Vec<Row> = self
            .fetch_all(|| sqlx::query_as(LIST).bind(kind.as_str()).bind(after).bind(prefix).bind(i64::from(limit)))
            .await?;
        rows.into_iter().map(Row::into_document).collect()
    }

    /// What a policy is attached to behind a kind and a name, the first `limit` in the order of both.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn policy_attachments(&self, policy: &str, after: (&str, &str), limit: u32) -> Result<Vec<Attachment>> {
        let (kind, name) = after;
        let rows =
            self.fetch_all(|| sqlx::query_as(ATTACHMENTS).bind(policy).bind(kind).bind(name).bind(i64::from(limit)));
        Ok(rows.await?)
    }

    /// Attaches a policy that is there, or one that is built in; nothing happens where it is attached already.
    /// # Errors
    /// `NoSuchEntity` where there is no such policy.
    pub async fn attach_policy(&self, attachment: &Attachment, by: &str, audit: &[Record]) -> Result<()> {
        let records = self.canonical(audit);
        let is_builtin = builtin_policy(&attachment.policy).is_some();
        let (status,): (String,) = self
            .fetch_one(|| {
                sqlx::query_as(ATTACH)
                    .bind(&attachment.policy)
                    .bind(&attachment.target_kind)
                    .bind(&attachment.target)
                    .bind(is_builtin)
                    .bind(by)
                    .bind(&records)
            })
            .await
            .map_err(Failure::refusal)?;
        check(&status)
    }

    /// Takes an attachment away.
    /// # Errors
    /// `NoSuchEntity` where it is not attached.
    pub async fn detach_policy(&self, attachment: &Attachment, by: &str, audit: &[Record]) -> Result<()> {
        let records = self.canonical(audit);
        let (status,): (String,) = self
            .fetch_one(|| {
                sqlx::query_as(DETACH)
                    .bind(&attachment.policy)
                    .bind(&attachment.target_kind)
                    .bind(&attachment.target)
                    .bind(by)
                    .bind(&records)
            })
            .await
            .map_err(Failure::refusal)?;
        check(&status)
    }

    /// The changes of a document, the latest first; for a policy those of its attachments too. `before`: the version that the
    /// page ends before.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn policy_history(
        &self,
        kind: DocumentKind,
        name: &str,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<HistoryEntry>> {
        let before = before.unwrap_or(i64::MAX);
        let rows = self
            .fetch_all(|| sqlx::query_as(HISTORY).bind(kind.as_str()).bind(name).bind(before).bind(i64::from(limit)))
            .await?;
        Ok(rows)
    }

    /// The number of changes so far.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn policy_revision(&self) -> Result<i64> {
        let (revision,): (i64,) = self.fetch_one(|| sqlx::query_as("SELECT revision FROM policy_revision")).await?;
        Ok(revision)
    }

    /// Everything that decisions are made by, as one instant has it.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn policy_data(&self) -> Result<PolicyData> {
        let rows: Vec<DataRow> = self.fetch_all(|| sqlx::query_as(EVERYTHING)).await?;
        let mut data = PolicyData::default();
        for DataRow { what, row } in rows {
            match what.as_str() {
                "revision" => data.revision = row.version,
                "attachment" => data.attachments.push(row.into_attachment()),
                "configuration" => data.configurations.push(row.into_configuration()?),
                _ => data.documents.push(row.into_document()?),
            }
        }
        Ok(data)
    }
}
