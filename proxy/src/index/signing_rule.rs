//! What is signed in buckets by itself. Which objects a rule is about, and how they come to wait, is told in
//! `migrations/0019_signing_rules.sql`; the waiting objects are in `signing_queue.rs`.

use time::OffsetDateTime;

use super::Index;
use super::audited::audited;
use super::convert;
use crate::audit::Record;
use crate::error::{Code, Error, Result};

/// A rule: which objects are signed, with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningRule {
    /// Its name in the bucket.
    pub name: String,
    /// What keys begin with.
    pub prefix: String,
    /// What keys end with.
    pub suffix: String,
    /// The media type, or a family of them (`image/*`); unset: any.
    pub media_type: Option<String>,
    /// The signing key.
    pub key_name: String,
    /// Whether older clients shall find a signature too.
    pub legacy: bool,
}

/// The rules of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningRules {
    /// The rules by name; may be none.
    pub rules: Vec<SigningRule>,
    /// Another with each change; 0 where none were ever set.
    pub version: i64,
    /// When they became what they are.
    pub changed_at: Option<OffsetDateTime>,
    /// By whom.
    pub changed_by: Option<String>,
}

/// Rules that a bucket shall have.
#[derive(Debug, Clone, Copy)]
pub struct NewSigningRules<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The rules, each name once.
    pub rules: &'a [SigningRule],
    /// The version that is replaced: 0 for none yet; unset: whatever there is.
    pub expected: Option<i64>,
    /// Who sets them.
    pub by: &'a str,
    /// What is recorded with it.
    pub audit: &'a [Record],
}

const PUT: &str =
    audited!(10, "SELECT status, version, changed_at FROM put_signing_rules($1, $2, $3, $4, $5, $6, $7, $8, $9)");

const DELETE: &str = audited!(3, "SELECT delete_signing_rules($1, $2) AS status");

/// A row of nothing where the bucket has no rules, and no row where there is no bucket.
const SET: &str = "
    SELECT s.version, s.changed_at, s.changed_by
    FROM buckets b LEFT JOIN signing_rule_sets s ON s.bucket_id = b.id WHERE b.name = $1";

const RULES: &str = "
    SELECT r.name, r.prefix, r.suffix, r.media_type, r.key_name, r.legacy
    FROM buckets b JOIN signing_rules r ON r.bucket_id = b.id WHERE b.name = $1 ORDER BY r.name";

#[derive(sqlx::FromRow)]
struct Row {
    name: String,
    prefix: String,
    suffix: String,
    media_type: Option<String>,
    key_name: String,
    legacy: bool,
}

impl From<Row> for SigningRule {
    fn from(row: Row) -> Self {
        let Row { name, prefix, suffix, media_type, key_name, legacy } = row;
        Self { name, prefix, suffix, media_type, key_name, legacy }
    }
}

type SetRow = (Option<i64>, Option<OffsetDateTime>, Option<String>);

impl Index {
    /// The rules of a bucket.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn signing_rules(&self, bucket: &str) -> Result<SigningRules> {
        let set: Option<SetRow> = self.fetch_optional(|| sqlx::query_as(SET).bind(bucket)).await?;
        let (version, changed_at, changed_by) = set.ok_or(Code::NoSuchBucket)?;
        let rows: Vec<Row> = self.fetch_all(|| sqlx::query_as(RULES).bind(bucket)).await?;
        let rules = rows.into_iter().map(SigningRule::from).collect();
        Ok(SigningRules { rules, version: version.unwrap_or_default(), changed_at, changed_by })
    }

    /// Makes the rules of a bucket what is given; what they are then.
    /// # Errors
    /// `NoSuchBucket`, `PreconditionFailed`.
    pub async fn put_signing_rules(&self, new: NewSigningRules<'_>) -> Result<SigningRules> {
        let records = self.canonical(new.audit);
        let texts = |text: fn(&SigningRule) -> &str| new.rules.iter().map(text).collect::<Vec<&str>>();
        let (names, prefixes, suffixes) =
            (texts(|rule| &rule.name), texts(|rule| &rule.prefix), texts(|rule| &rule.suffix));
        let key_names = texts(|rule| &rule.key_name);
        let media_types: Vec<Option<&str>> = new.rules.iter().map(|rule| rule.media_type.as_deref()).collect();
        let legacies: Vec<bool> = new.rules.iter().map(|rule| rule.legacy).collect();
        let (status, version, changed_at): (String, Option<i64>, Option<OffsetDateTime>) = self
            .fetch_one(|| {
                sqlx::query_as(PUT)
                    .bind(new.bucket)
                    .bind(new.expected)
                    .bind(new.by)
                    .bind(&names)
                    .bind(&prefixes)
                    .bind(&suffixes)
                    .bind(&media_types)
                    .bind(&key_names)
                    .bind(&legacies)
                    .bind(&records)
            })
            .await?;
        check(&status)?;
        let mut rules = new.rules.to_vec();
        rules.sort_by(|a, b| a.name.cmp(&b.name));
        let (version, changed_by) = (version.unwrap_or_default(), Some(new.by.to_owned()));
        Ok(SigningRules { rules, version, changed_at, changed_by })
    }

    /// Removes the rules of a bucket, and what waits for them.
    /// # Errors
    /// `NoSuchBucket`, `PreconditionFailed`; `NoSuchEntity` where it has none.
    pub async fn delete_signing_rules(&self, bucket: &str, expected: Option<i64>, audit: &[Record]) -> Result<()> {
        let records = self.canonical(audit);
        let (status,): (String,) =
            self.fetch_one(|| sqlx::query_as(DELETE).bind(bucket).bind(expected).bind(&records)).await?;
        check(&status)
    }
}

/// Turns the status of one of the functions for signing rules into a result.
fn check(status: &str) -> Result<()> {
    match status {
        "NoSuchSigningRules" => Err(Error::new(Code::NoSuchEntity, "The bucket has no signing rules.")),
        status => convert::check(status),
    }
}
