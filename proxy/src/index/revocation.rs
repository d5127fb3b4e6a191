//! What was revoked before it lapsed: sessions, tokens, and everything of a person.
//!
//! What does not live here: the set in memory that requests are checked against (`identity`).

use time::{Duration, OffsetDateTime};

use super::Index;
use super::audited::audited;
use crate::audit::Record;
use crate::error::{Error, Result};

/// What a revocation speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevocationKind {
    /// What was issued for one login at an issuer: the issuer's name, a slash and the `sid`.
    Login,
    /// One session, by its id.
    Session,
    /// Everything of one identity, by its id.
    Subject,
    /// One token: the issuer's name, a slash and its `jti`.
    Token,
}

impl RevocationKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Login, Self::Session, Self::Subject, Self::Token];

    /// As the index and REST have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Session => "session",
            Self::Subject => "subject",
            Self::Token => "token",
        }
    }
}

/// Where a page of revocations begins: behind the one of this moment, kind and value.
pub type RevocationPlace = (OffsetDateTime, RevocationKind, String);

/// One revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// What it speaks of.
    pub kind: RevocationKind,
    /// Which one.
    pub value: String,
    /// What was issued up to then is no longer good.
    pub before: OffsetDateTime,
    /// When everything it speaks of has lapsed by itself.
    pub expires_at: OffsetDateTime,
    /// Why.
    pub reason: String,
    /// Who said so.
    pub revoked_by: String,
    /// When.
    pub revoked_at: OffsetDateTime,
}

/// Somebody who has logged out; the fields are those of [`Revocation`].
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each field is described at the row of the same name")]
pub struct Logout<'a> {
    pub kind: RevocationKind,
    pub value: &'a str,
    pub before: OffsetDateTime,
    pub expires_at: OffsetDateTime,
    pub reason: &'a str,
    pub by: &'a str,
}

const REVOKE: &str = audited!(6, "SELECT revoke($1, $2, $3, $4, $5) AS status");
const LOG_OUT: &str = audited!(7, "SELECT log_out($1, $2, $3, $4, $5, $6) AS status");
const REVISION: &str = "SELECT revision FROM revocation_revision";
const ACTIVE: &str = "
    SELECT kind, value, before, expires_at, reason, revoked_by, revoked_at FROM revocations
    WHERE expires_at > clock_timestamp() AND (revoked_at, kind, value) < ($1, $2, $3)
    ORDER BY revoked_at DESC, kind DESC, value DESC LIMIT $4";
const FORGET: &str = "
    DELETE FROM revocations WHERE (kind, value) IN (
        SELECT kind, value FROM revocations WHERE expires_at <= clock_timestamp() ORDER BY expires_at LIMIT $1
        FOR UPDATE SKIP LOCKED)
    RETURNING 1::bigint";

#[derive(sqlx::FromRow)]
struct Row {
    kind: String,
    value: String,
    before: OffsetDateTime,
    expires_at: OffsetDateTime,
    reason: String,
    revoked_by: String,
    revoked_at: OffsetDateTime,
}

impl Index {
    /// Revokes what was issued until now; every replica is told. `expires_at`: when all of it has lapsed by itself.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn revoke(
        &self,
        kind: RevocationKind,
        value: &str,
        expires_at: OffsetDateTime,
        reason: &str,
        by: &str,
        audit: &[Record],
    ) -> Result<()> {
        let records = self.canonical(audit);
        let (_,): (String,) = self
            .fetch_one(|| {
                sqlx::query_as(REVOKE)
                    .bind(kind.as_str())
                    .bind(value)
                    .bind(expires_at)
                    .bind(reason)
                    .bind(by)
                    .bind(&records)
            })
            .await?;
        Ok(())
    }

    /// Ends what was issued until `before`, and no access key: somebody has logged out at an issuer. Whether that was news.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn log_out(&self, logout: &Logout<'_>, audit: &[Record]) -> Result<bool> {
        let records = self.canonical(audit);
        let (status,): (String,) = self
            .fetch_one(|| {
                sqlx::query_as(LOG_OUT)
                    .bind(logout.kind.as_str())
                    .bind(logout.value)
                    .bind(logout.before)
                    .bind(logout.expires_at)
                    .bind(logout.reason)
                    .bind(logout.by)
                    .bind(&records)
            })
            .await?;
        Ok(status == "ok")
    }

    /// How often something was revoked.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn revocation_revision(&self) -> Result<i64> {
        let (revision,): (i64,) = self.fetch_one(|| sqlx::query_as(REVISION)).await?;
        Ok(revision)
    }

    /// Up to `limit` revocations that still matter behind `after`, the latest first.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn revocations(&self, after: Option<RevocationPlace>, limit: u32) -> Result<Vec<Revocation>> {
        // Later than all that was revoked, by any clock.
        let beginning = || (OffsetDateTime::now_utc() + Duration::days(36_500), RevocationKind::Session, String::new());
        let (moment, kind, value) = after.unwrap_or_else(beginning);
        let rows: Vec<Row> = self
            .fetch_all(|| sqlx::query_as(ACTIVE).bind(moment).bind(kind.as_str()).bind(&value).bind(i64::from(limit)))
            .await?;
        rows.into_iter().map(read).collect()
    }

    /// Forgets up to `limit` revocations of what has lapsed; how many it were.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn forget_revocations(&self, limit: u32) -> Result<usize> {
        let rows: Vec<(i64,)> = self.fetch_all(|| sqlx::query_as(FORGET).bind(i64::from(limit))).await?;
        Ok(rows.len())
    }
}

fn read(row: Row) -> Result<Revocation> {
    let kind = RevocationKind::ALL.into_iter().find(|kind| kind.as_str() == row.kind);
    Ok(Revocation {
        kind: kind.ok_or_else(|| Error::internal("a revocation of an unknown kind"))?,
        value: row.value,
        before: row.before,
        expires_at: row.expires_at,
        reason: row.reason,
        revoked_by: row.revoked_by,
        revoked_at: row.revoked_at,
    })
}
