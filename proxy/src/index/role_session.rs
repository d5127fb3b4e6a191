//! Sessions that roles were assumed for (AWS STS): rows for those who look after them. The credentials are not among them.

use time::OffsetDateTime;
use uuid::Uuid;

use super::Index;
use super::audited::audited;
use super::list::cut;
use crate::audit::Record;
use crate::error::{Code, Error, Result};

/// A session's row.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct RoleSession {
    /// The id.
    pub id: Uuid,
    /// The id of its access key; public.
    pub access_key_id: String,
    /// The identity id of who assumed the role.
    pub subject: String,
    /// What policies call them.
    pub name: String,
    /// The role.
    pub role: String,
    /// The name that they gave the session.
    pub session_name: String,
    /// When it was begun.
    pub issued_at: OffsetDateTime,
    /// When it ends by itself.
    pub expires_at: OffsetDateTime,
    /// Whether it was ended before that.
    pub revoked: bool,
}

/// A session to be begun; the fields are those of [`RoleSession`].
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each field is described at the row of the same name")]
pub struct NewRoleSession<'a> {
    pub id: Uuid,
    pub access_key_id: &'a str,
    pub subject: &'a str,
    pub name: &'a str,
    pub role: &'a str,
    pub session_name: &'a str,
    pub expires_at: OffsetDateTime,
}

const BEGIN: &str = audited!(8, "SELECT begin_role_session($1, $2, $3, $4, $5, $6, $7) AS status");
const REVOKE: &str = audited!(4, "SELECT revoke_role_session($1, $2, $3) AS status");
const LIVE: &str = "
    SELECT s.*, EXISTS (
        SELECT FROM revocations AS r
        WHERE (r.kind = 'session' AND r.value = s.id::text)
           OR (r.kind = 'subject' AND r.value = s.subject AND r.before >= s.issued_at)) AS revoked
    FROM role_sessions AS s
    WHERE s.expires_at > clock_timestamp() AND ($1::uuid IS NULL OR s.id > $1) AND ($2::uuid IS NULL OR s.id = $2)
    ORDER BY s.id LIMIT $3";
const FORGET: &str = "
    DELETE FROM role_sessions WHERE id IN (
        SELECT id FROM role_sessions WHERE expires_at <= clock_timestamp() ORDER BY expires_at, id LIMIT $1
        FOR UPDATE SKIP LOCKED)
    RETURNING 1::bigint";

impl Index {
    /// Writes down a session, before its credentials are given away.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn begin_role_session(&self, session: &NewRoleSession<'_>, audit: &[Record]) -> Result<()> {
        let records = self.canonical(audit);
        let (_,): (String,) = self
            .fetch_one(|| {
                sqlx::query_as(BEGIN)
                    .bind(session.id)
                    .bind(session.access_key_id)
                    .bind(session.subject)
                    .bind(session.name)
                    .bind(session.role)
                    .bind(session.session_name)
                    .bind(session.expires_at)
                    .bind(&records)
            })
            .await?;
        Ok(())
    }

    /// Ends a session before its time.
    /// # Errors
    /// `NoSuchEntity`: there is none that lasts.
    pub async fn revoke_role_session(&self, id: Uuid, reason: &str, by: &str, audit: &[Record]) -> Result<()> {
        let records = self.canonical(audit);
        let (status,): (String,) =
            self.fetch_one(|| sqlx::query_as(REVOKE).bind(id).bind(reason).bind(by).bind(&records)).await?;
        if status == "ok" { Ok(()) } else { Err(Error::from(Code::NoSuchEntity)) }
    }

    /// Sessions that have not lapsed, by id, behind `after`; and whether there are more.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn role_sessions(&self, after: Option<Uuid>, limit: u32) -> Result<(Vec<RoleSession>, bool)> {
        let rows =
            self.fetch_all(|| sqlx::query_as(LIVE).bind(after).bind(None::<Uuid>).bind(i64::from(limit) + 1)).await?;
        Ok(cut(rows, limit))
    }

    /// A session that has not lapsed.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn role_session(&self, id: Uuid) -> Result<Option<RoleSession>> {
        let rows: Vec<RoleSession> =
            self.fetch_all(|| sqlx::query_as(LIVE).bind(None::<Uuid>).bind(Some(id)).bind(1_i64)).await?;
        Ok(rows.into_iter().next())
    }

    /// Forgets up to `limit` sessions that have lapsed; how many it were.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn forget_role_sessions(&self, limit: u32) -> Result<usize> {
        let rows: Vec<(i64,)> = self.fetch_all(|| sqlx::query_as(FORGET).bind(i64::from(limit))).await?;
        Ok(rows.len())
    }
}
