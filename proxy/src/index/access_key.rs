//! Access keys of people and service accounts. The rule that an account has two active keys at the most stands in
//! `migrations/0009_access_keys.sql`; secrets are sealed before they come here and opened behind it (`identity/stored_keys.rs`).

use time::OffsetDateTime;

use super::Index;
use super::audited::audited;
use super::list::cut;
use crate::audit::Record;
use crate::error::{Code, Error, Result};

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountKind {
    /// A person of an issuer.
    Person,
    /// An account for programs, which a person answers for.
    ServiceAccount,
}

impl AccountKind {
    /// As the index and REST have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::ServiceAccount => "service_account",
        }
    }
}

/// A key's row.
#[derive(Debug, Clone)]
pub struct StoredAccessKey {
    /// The id; public.
    pub id: String,
    /// Who it speaks as: an identity's id.
    pub account: String,
    /// Whose key it is.
    pub account_kind: AccountKind,
    /// Identity id of the person who answers for the account.
    pub owner: String,
    /// What policies call the account.
    pub name: String,
    /// The person's issuer; empty for a service account.
    pub issuer: String,
    /// What it is for.
    pub description: String,
    /// The secret, sealed with the id as additional data.
    pub sealed: Vec<u8>,
    /// The key of the ring that it is sealed under.
    pub ring_key: String,
    /// Roles at the time it was made.
    pub roles: Vec<String>,
    /// Groups at the time it was made.
    pub groups: Vec<String>,
    /// A policy document that narrows it.
    pub policy: Option<String>,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// Who made it.
    pub created_by: String,
    /// From when on it is no longer good.
    pub expires_at: Option<OffsetDateTime>,
    /// Since when it is switched off.
    pub disabled_at: Option<OffsetDateTime>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<OffsetDateTime>,
    /// Grows with every change; the ETag.
    pub version: i64,
}

impl StoredAccessKey {
    /// Whether it opens anything at `now`.
    #[must_use]
    pub fn is_active(&self, now: OffsetDateTime) -> bool {
        self.disabled_at.is_none() && self.expires_at.is_none_or(|end| end > now)
    }
}

/// A key to be made; the fields are those of [`StoredAccessKey`].
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each field is described at the row of the same name")]
pub struct NewAccessKey<'a> {
    pub id: &'a str,
    pub account: &'a str,
    pub account_kind: AccountKind,
    pub owner: &'a str,
    pub name: &'a str,
    pub issuer: &'a str,
    pub description: &'a str,
    pub sealed: &'a [u8],
    pub ring_key: &'a str,
    pub roles: &'a [String],
    pub groups: &'a [String],
    pub policy: Option<&'a str>,
    pub created_by: &'a str,
    pub expires_at: Option<OffsetDateTime>,
}

/// The key that follows another of the same account.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each field is described at the row of the same name")]
pub struct NextAccessKey<'a> {
    pub id: &'a str,
    pub sealed: &'a [u8],
    pub ring_key: &'a str,
    pub created_by: &'a str,
    pub expires_at: Option<OffsetDateTime>,
}

/// What becomes of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccessKeyChange {
    /// It is good again.
    Enable,
    /// It is no longer good until it is enabled.
    Disable,
    /// It is no longer good from then on; unset: it is good for ever.
    Expire(Option<OffsetDateTime>),
    /// It is gone.
    Delete,
}

/// A page of keys in the order of their ids.
#[derive(Debug, Clone)]
pub struct AccessKeyPage {
    /// The keys.
    pub keys: Vec<StoredAccessKey>,
    /// Whether there are more behind the last.
    pub truncated: bool,
}

const CREATE: &str =
    audited!(15, "SELECT create_access_key($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) AS status");
const ROTATE: &str = audited!(8, "SELECT rotate_access_key($1, $2, $3, $4, $5, $6, $7) AS status");
const CHANGE: &str = audited!(5, "SELECT set_access_key($1, $2, $3, $4) AS status");
const ONE: &str = "SELECT * FROM access_keys WHERE id = $1";
const ALL: &str = "SELECT * FROM access_keys WHERE id > $1 ORDER BY id LIMIT $2";
const OF_OWNER: &str = "SELECT * FROM access_keys WHERE owner = $3 AND id > $1 ORDER BY id LIMIT $2";
const FOLLOW: &str = "
    UPDATE access_keys SET name = $2, roles = $3, groups = $4, followed_at = to_timestamp($5::double precision)
    WHERE account = $1 AND account_kind = 'person' AND (name, roles, groups) IS DISTINCT FROM ($2, $3, $4)
        AND (followed_at IS NULL OR followed_at <= to_timestamp($5::double precision))
    RETURNING id";
const TOUCH: &str = "
    UPDATE access_keys SET last_used_at = used.at
    FROM unnest($1::text[], $2::timestamptz[]) AS used (id, at)
    WHERE access_keys.id = used.id
      AND (last_used_at IS NULL OR last_used_at <= used.at - interval '1 minute')
    RETURNING access_keys.id";
const SEALED_OTHERWISE: &str = "SELECT * FROM access_keys WHERE ring_key <> $3 AND id > $1 ORDER BY id LIMIT $2";
const RESEAL: &str = "
    UPDATE access_keys SET secret = $3, ring_key = $4 WHERE id = $1 AND secret = $2 RETURNING id";

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    account: String,
    account_kind: String,
    owner: String,
    name: String,
    issuer: String,
    description: String,
    secret: Vec<u8>,
    ring_key: String,
    roles: Vec<String>,
    groups: Vec<String>,
    policy: Option<String>,
    created_at: OffsetDateTime,
    created_by: String,
    expires_at: Option<OffsetDateTime>,
    disabled_at: Option<OffsetDateTime>,
    last_used_at: Option<OffsetDateTime>,
    version: i64,
}

impl From<Row> for StoredAccessKey {
    fn from(row: Row) -> Self {
        // The schema knows two kinds.
        let is_person = row.account_kind == AccountKind::Person.as_str();
        Self {
            id: row.id,
            account: row.account,
            account_kind: if is_person { AccountKind::Person } else { AccountKind::ServiceAccount },
            owner: row.owner,
            name: row.name,
            issuer: row.issuer,
            description: row.description,
            sealed: row.secret,
            ring_key: row.ring_key,
            roles: row.roles,
            groups: row.groups,
            policy: row.policy,
            created_at: row.created_at,
            created_by: row.created_by,
            expires_at: row.expires_at,
            disabled_at: row.disabled_at,
            last_used_at: row.last_used_at,
            version: row.version,
        }
    }
}

impl Index {
    /// Makes a key.
    /// # Errors
    /// `LimitExceeded`: its account has two active ones already.
    pub async fn create_access_key(&self, key: NewAccessKey<'_>, audit: &[Record]) -> Result<StoredAccessKey> {
        let records = self.canonical(audit);
        let (status,): (String,) = self
            .fetch_one(|| {
                sqlx::query_as(CREATE)
                    .bind(key.id)
                    .bind(key.account)
                    .bind(key.account_kind.as_str())
                    .bind(key.owner)
                    .bind(key.name)
                    .bind(key.issuer)
                    .bind(key.description)
                    .bind(key.sealed)
                    .bind(key.ring_key)
                    .bind(key.roles)
                    .bind(key.groups)
                    .bind(key.policy)
                    .bind(key.created_by)
                    .bind(key.expires_at)
                    .bind(&records)
            })
            .await?;
        check(&status)?;
        self.access_key(key.id).await?.ok_or_else(no_such_key)
    }

    /// Makes a second key for the account of `from`, which stays as it is; `version` is the one that the caller has seen.
    /// # Errors
    /// `NoSuchEntity`, `PreconditionFailed`; `LimitExceeded`: there are two active ones already; `AccessKeyInactive`: `from` is not.
    pub async fn rotate_access_key(
        &self,
        from: &str,
        next: NextAccessKey<'_>,
        version: Option<i64>,
        audit: &[Record],
    ) -> Result<StoredAccessKey> {
        let records = self.canonical(audit);
        let (status,): (String,) = self
            .fetch_one(|| {
                sqlx::query_as(ROTATE)
                    .bind(from)
                    .bind(next.id)
                    .bind(next.sealed)
                    .bind(next.ring_key)
                    .bind(next.created_by)
                    .bind(next.expires_at)
                    .bind(version)
                    .bind(&records)
            })
            .await?;
        check(&status)?;
        self.access_key(next.id).await?.ok_or_else(no_such_key)
    }

    /// Changes a key; `version` is the one that the caller has seen.
    /// # Errors
    /// `NoSuchEntity`, `PreconditionFailed`; `LimitExceeded`: it would be the third active one of its account.
    pub async fn change_access_key(
        &self,
        id: &str,
        change: AccessKeyChange,
        version: Option<i64>,
        audit: &[Record],
    ) -> Result<()> {
        let records = self.canonical(audit);
        let (name, ends) = match change {
            AccessKeyChange::Enable => ("enable", None),
            AccessKeyChange::Disable => ("disable", None),
            AccessKeyChange::Expire(ends) => ("expire", ends),
            AccessKeyChange::Delete => ("delete", None),
        };
        let (status,): (String,) = self
            .fetch_one(|| sqlx::query_as(CHANGE).bind(id).bind(name).bind(ends).bind(version).bind(&records))
            .await?;
        check(&status)
    }

    /// Gives the keys of a person the name, roles and groups of a token that was issued at `issued_at` (seconds since 1970), unless a
    /// later one was before; the ids of those that had others.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn follow_person(
        &self,
        account: &str,
        name: &str,
        roles: &[String],
        groups: &[String],
        issued_at: i64,
    ) -> Result<Vec<String>> {
        let rows: Vec<(String,)> = self
            .fetch_all(|| sqlx::query_as(FOLLOW).bind(account).bind(name).bind(roles).bind(groups).bind(issued_at))
            .await?;
        Ok(rows.into_iter().map(|(id,)| id).collect())
    }

    /// A key by its id.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn access_key(&self, id: &str) -> Result<Option<StoredAccessKey>> {
        let row: Option<Row> = self.fetch_optional(|| sqlx::query_as(ONE).bind(id)).await?;
        Ok(row.map(StoredAccessKey::from))
    }

    /// Keys behind the id `after`, of all owners or of one.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn access_keys(&self, owner: Option<&str>, after: &str, limit: u32) -> Result<AccessKeyPage> {
        // One more than wanted tells whether there are more.
        let more = i64::from(limit) + 1;
        let rows: Vec<Row> = self
            .fetch_all(|| match owner {
                Some(owner) => sqlx::query_as(OF_OWNER).bind(after).bind(more).bind(owner),
                None => sqlx::query_as(ALL).bind(after).bind(more),
            })
            .await?;
        let (keys, truncated) = cut(rows.into_iter().map(StoredAccessKey::from).collect(), limit);
        Ok(AccessKeyPage { keys, truncated })
    }

    /// Notes when keys were used; those that were noted within a minute before are left alone. How many were noted.
    pub(crate) async fn touch_access_keys(&self, ids: &[String], at: &[OffsetDateTime]) -> Result<usize> {
        let rows: Vec<(String,)> = self.fetch_all(|| sqlx::query_as(TOUCH).bind(ids).bind(at)).await?;
        Ok(rows.len())
    }

    /// Keys behind `after` that are sealed under another key of the ring than `ring_key`.
    pub(crate) async fn access_keys_sealed_otherwise(
        &self,
        ring_key: &str,
        after: &str,
        limit: u32,
    ) -> Result<Vec<StoredAccessKey>> {
        let rows: Vec<Row> = self
            .fetch_all(|| sqlx::query_as(SEALED_OTHERWISE).bind(after).bind(i64::from(limit)).bind(ring_key))
            .await?;
        Ok(rows.into_iter().map(StoredAccessKey::from).collect())
    }

    /// Puts a secret that was sealed anew in the place of the one that was read; false where another has been faster.
    pub(crate) async fn reseal_access_key(&self, id: &str, old: &[u8], new: &[u8], ring_key: &str) -> Result<bool> {
        let row: Option<(String,)> =
            self.fetch_optional(|| sqlx::query_as(RESEAL).bind(id).bind(old).bind(new).bind(ring_key)).await?;
        Ok(row.is_some())
    }
}

fn no_such_key() -> Error {
    Error::new(Code::NoSuchEntity, "There is no such access key.")
}

/// Turns the status of one of the functions for keys into a result.
fn check(status: &str) -> Result<()> {
    Err(match status {
        "ok" => return Ok(()),
        "NoSuchAccessKey" => no_such_key(),
        "PreconditionFailed" => Code::PreconditionFailed.into(),
        "TooManyAccessKeys" => Error::new(Code::LimitExceeded, "The account has two active access keys already."),
        "AccessKeyInactive" => Code::AccessKeyInactive.into(),
        other => Error::internal(format!("the index answered with the unknown status {other:?}")),
    })
}
