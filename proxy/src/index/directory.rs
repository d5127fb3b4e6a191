//! What the watch over an issuer's directory asks and writes: whose turn it is, who owns something that is good now, and what
//! their access keys lose. Who is disabled or gone is revoked as everybody is (`revocation.rs`).

use std::time::Duration;

use time::OffsetDateTime;

use super::Index;
use super::audited::audited;
use super::convert::seconds;
use crate::audit::Record;
use crate::error::Result;

/// A person of an issuer who owns something that is good now: an access key, the key of a service account, or a session.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Owner {
    /// The identity id.
    pub subject: String,
    /// Whether there are access keys that speak as the person, with the person's roles and groups.
    pub has_keys: bool,
}

const CLAIM: &str = "SELECT claim_directory_round($1, $2)";
const PUT_OFF: &str = "
    UPDATE directory_rounds SET due_at = clock_timestamp() + make_interval(secs => $2) WHERE issuer = $1
    RETURNING 1::bigint";
// Of an issuer are the ids between `name/` and `name0`: the digit comes behind the slash.
const OWNERS: &str = "
    SELECT subject, bool_or(has_keys) AS has_keys
    FROM (
        SELECT owner AS subject, account_kind = 'person' AS has_keys FROM access_keys
        WHERE owner > $1 AND owner < $2
          AND disabled_at IS NULL AND (expires_at IS NULL OR expires_at > clock_timestamp())
        UNION ALL
        SELECT s.subject, false FROM role_sessions AS s
        WHERE s.subject > $1 AND s.subject < $2 AND s.expires_at > clock_timestamp()
          AND NOT EXISTS (
            SELECT FROM revocations AS r
            WHERE (r.kind = 'session' AND r.value = s.id::text)
               OR (r.kind = 'subject' AND r.value = s.subject AND r.before >= s.issued_at))
    ) AS owned
    GROUP BY subject ORDER BY subject LIMIT $3";
const FOLLOW: &str = audited!(5, "SELECT follow_directory($1, $2, $3, $4) AS status");

impl Index {
    /// Takes the next round over an issuer's people, where one is due; otherwise how long until then. Whoever has it puts the next
    /// one off while it lasts, and at its end.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn claim_directory_round(&self, issuer: &str, lease: Duration) -> Result<Option<Duration>> {
        let (wait,): (f64,) = self.fetch_one(|| sqlx::query_as(CLAIM).bind(issuer).bind(seconds(lease))).await?;
        Ok((wait > 0.0).then(|| Duration::from_secs_f64(wait)))
    }

    /// Puts the next round off.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn put_off_directory_round(&self, issuer: &str, wait: Duration) -> Result<()> {
        let _: Option<(i64,)> =
            self.fetch_optional(|| sqlx::query_as(PUT_OFF).bind(issuer).bind(seconds(wait))).await?;
        Ok(())
    }

    /// Up to `limit` people of an issuer who own something that is good now, by identity id, behind `after`.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn owners(&self, issuer: &str, after: Option<&str>, limit: u32) -> Result<Vec<Owner>> {
        let (first, end) = (format!("{issuer}/"), format!("{issuer}0"));
        let after = after.unwrap_or(&first);
        Ok(self.fetch_all(|| sqlx::query_as(OWNERS).bind(after).bind(&end).bind(i64::from(limit))).await?)
    }

    /// Takes from a person's access keys what is not among these roles and groups, as they were asked for at `asked_at`; unset: they
    /// are left alone. Whether that changed anything; a token that was issued later has the last word.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn follow_directory(
        &self,
        account: &str,
        roles: Option<&[String]>,
        groups: Option<&[String]>,
        asked_at: OffsetDateTime,
        audit: &[Record],
    ) -> Result<bool> {
        let records = self.canonical(audit);
        let (status,): (String,) = self
            .fetch_one(|| sqlx::query_as(FOLLOW).bind(account).bind(roles).bind(groups).bind(asked_at).bind(&records))
            .await?;
        Ok(status == "ok")
    }
}
