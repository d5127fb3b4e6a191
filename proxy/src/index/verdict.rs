//! Verdicts: the last one of each policy on each artifact, and which of them still count. When one does and when it is made anew stands
//! in `migrations/0021_verdicts.sql` and `migrations/0028_verdicts.sql`.
//!
//! What does not live here: how a verdict comes about (`supply_chain/verification`).

use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use super::audited::audited;
use super::convert::{check, seconds, to_digest};
use super::list::cut;
use super::{Index, SbomScope, ScopeKind};
use crate::audit::Record;
use crate::digest::Digest;
use crate::error::Result;

/// As of when and by which setup it is asked whether a verdict counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsOf {
    /// The present.
    pub now: OffsetDateTime,
    /// The digest of the trusted roots and the rules about logs by which this replica verifies.
    pub setup: Digest,
}

/// A verdict to be kept; the fields are those of [`StoredVerdict`].
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "each field is described at the row of the same name")]
pub struct NewVerdict<'a> {
    pub id: Uuid,
    pub scope: &'a SbomScope,
    pub key: &'a str,
    pub subject: &'a Digest,
    pub policy: &'a str,
    pub policy_digest: &'a Digest,
    pub inputs_digest: &'a Digest,
    pub trust_revision: i64,
    pub setup: &'a Digest,
    pub passed: bool,
    pub verdict: &'a str,
    /// The manifests that hold what it rests on.
    pub carriers: &'a [Digest],
    pub summary: Option<&'a [u8]>,
    pub attached: Option<&'a Digest>,
    pub host: Option<&'a str>,
    pub made_at: OffsetDateTime,
    pub made_by: &'a str,
    pub valid_until: Option<OffsetDateTime>,
    /// What it was before the evidence was looked for.
    pub told_at: Option<OffsetDateTime>,
    /// How long nobody makes it anew.
    pub pause: Duration,
    /// Whether it could not be signed or attached: it is made anew after the pause.
    pub is_to_be_signed: bool,
    /// What is recorded with it.
    pub audit: &'a [Record],
}

/// The last verdict of a policy on an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVerdict {
    /// Its id; another with each verdict.
    pub id: Uuid,
    /// Where the artifact is.
    pub scope: SbomScope,
    /// The object's key; empty in a repository.
    pub key: String,
    /// The digest of the artifact's manifest.
    pub subject: Digest,
    /// The policy's name.
    pub policy: String,
    /// The digest of the policy's text, as it was then.
    pub policy_digest: Digest,
    /// The digest of all that it was made of.
    pub inputs_digest: Digest,
    /// By which revision of whom we believe.
    pub trust_revision: i64,
    /// The digest of the trusted roots and the rules about logs by which it was made.
    pub setup: Digest,
    /// Whether the artifact has passed.
    pub passed: bool,
    /// The verdict as JSON.
    pub verdict: String,
    /// The verdict as a signed statement: a sigstore bundle.
    pub summary: Option<Vec<u8>>,
    /// The digest of the manifest by which that is attached to the artifact.
    pub attached: Option<Digest>,
    /// Host and port of the registry, as whoever asked said.
    pub host: Option<String>,
    /// When it was made.
    pub made_at: OffsetDateTime,
    /// For whom.
    pub made_by: String,
    /// Until when it counts; unset: time does not change it.
    pub valid_until: Option<OffsetDateTime>,
    /// When something happened that may change it; unset: nothing has.
    pub told_at: Option<OffsetDateTime>,
    /// Whether it counts now.
    pub counts: bool,
}

/// A verdict that is to be made anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LapsedVerdict {
    /// Its id.
    pub id: Uuid,
    /// Where the artifact is.
    pub scope: SbomScope,
    /// The object's key; empty in a repository.
    pub key: String,
    /// The digest of the artifact's manifest.
    pub subject: Digest,
    /// The policy's name.
    pub policy: String,
    /// Host and port of the registry, as whoever asked said.
    pub host: Option<String>,
    /// Which attempt it is, from 1 on.
    pub attempts: i32,
}

const STORE: &str = audited!(
    23,
    "SELECT status, replaced FROM store_verdict($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)"
);

/// A verdict with whether it counts at the time `$1` for whoever verifies by the setup `$2`.
macro_rules! verdicts {
    ($condition:literal) => {
        concat!(
            "SELECT v.id, s.kind AS scope_kind, s.name AS scope_name, v.key, v.subject, v.policy, v.policy_digest, v.inputs_digest,
                    v.trust_revision, v.setup, v.passed, v.verdict, v.summary, v.attached, v.host, v.made_at, v.made_by,
                    v.valid_until, v.told_at, verdict_counts(v, $2, $1) AS counts
             FROM sbom_scopes AS s JOIN verdicts AS v ON v.scope_id = s.id
             WHERE ",
            $condition
        )
    };
}

const ONE: &str = verdicts!("s.kind = $3 AND s.name = $4 AND v.subject = $5 AND v.key = $6 AND v.policy = $7");

const BY_ID: &str = verdicts!("v.id = $3");

const LIST: &str = verdicts!(
    "s.kind = $3 AND s.name = $4 AND v.subject = $5 AND v.key = $6 AND v.policy > $7 ORDER BY v.policy LIMIT $8"
);

/// Whoever ends without a word leaves it to others when its lease ends. Four reasons, each with an index of its own. While replicas of
/// different configuration run side by side each makes anew what the other has made, an artifact once an hour; also what has failed by
/// the other's, for that may have replaced what passes.
const CLAIM: &str = "
    UPDATE verdicts AS v SET held_until = clock_timestamp() + make_interval(secs => $1), attempts = v.attempts + 1
    FROM sbom_scopes AS s
    WHERE s.id = v.scope_id AND (v.held_until IS NULL OR v.held_until <= now()) AND v.id = (
        SELECT due.id FROM (
            SELECT * FROM (
                SELECT id FROM verdicts WHERE told_at IS NOT NULL AND (held_until IS NULL OR held_until <= now())
                ORDER BY told_at LIMIT 1 FOR UPDATE SKIP LOCKED) AS told
            UNION ALL
            SELECT * FROM (
                SELECT id FROM verdicts WHERE passed AND trust_revision < (SELECT revision FROM trust_revision)
                  AND (held_until IS NULL OR held_until <= now())
                ORDER BY trust_revision LIMIT 1 FOR UPDATE SKIP LOCKED) AS of_older_trust
            UNION ALL
            SELECT * FROM (
                SELECT id FROM verdicts WHERE passed AND valid_until IS NOT NULL AND valid_until <= now()
                  AND (held_until IS NULL OR held_until <= now())
                ORDER BY valid_until LIMIT 1 FOR UPDATE SKIP LOCKED) AS timed_out
            UNION ALL
            SELECT * FROM (
                SELECT id FROM verdicts WHERE (passed OR setup_changed_at IS NOT NULL) AND setup < $2
                  AND COALESCE(setup_changed_at <= now() - interval '1 hour', true)
                  AND (held_until IS NULL OR held_until <= now())
                ORDER BY setup LIMIT 1 FOR UPDATE SKIP LOCKED) AS of_another_setup
            UNION ALL
            SELECT * FROM (
                SELECT id FROM verdicts WHERE (passed OR setup_changed_at IS NOT NULL) AND setup > $2
                  AND COALESCE(setup_changed_at <= now() - interval '1 hour', true)
                  AND (held_until IS NULL OR held_until <= now())
                ORDER BY setup LIMIT 1 FOR UPDATE SKIP LOCKED) AS of_one_more
        ) AS due LIMIT 1
    )
    RETURNING v.id, s.kind AS scope_kind, s.name AS scope_name, v.key, v.subject, v.policy, v.host, v.attempts";

const CONFIRM: &str = "
    UPDATE verdicts SET told_at = NULL, is_withdrawn = false, attempts = 0
    WHERE id = $1 AND told_at = $2 RETURNING 1::bigint";

const HOLD: &str = "
    UPDATE verdicts SET held_until = clock_timestamp() + make_interval(secs => $2) WHERE id = $1 RETURNING 1::bigint";

const FORGET: &str = "DELETE FROM verdicts WHERE id = $1 RETURNING 1::bigint";

/// Verdicts that count no longer, and have not been asked for since. One by another setup may be good for another replica.
const FORGET_OLD: &str = "
    WITH old AS MATERIALIZED (
        SELECT v.id FROM verdicts AS v
        WHERE v.made_at < clock_timestamp() - make_interval(secs => $1) AND NOT (v.passed AND verdict_counts(v, v.setup, now()))
        ORDER BY v.made_at LIMIT $2
    ), forgotten AS (DELETE FROM verdicts AS v USING old WHERE v.id = old.id RETURNING v.id)
    SELECT count(*) FROM forgotten";

#[derive(sqlx::FromRow)]
struct Row {
    id: Uuid,
    scope_kind: String,
    scope_name: String,
    key: String,
    subject: Vec<u8>,
    policy: String,
    policy_digest: Vec<u8>,
    inputs_digest: Vec<u8>,
    trust_revision: i64,
    setup: Vec<u8>,
    passed: bool,
    verdict: String,
    summary: Option<Vec<u8>>,
    attached: Option<Vec<u8>>,
    host: Option<String>,
    made_at: OffsetDateTime,
    made_by: String,
    valid_until: Option<OffsetDateTime>,
    told_at: Option<OffsetDateTime>,
    counts: bool,
}

#[derive(sqlx::FromRow)]
struct LapsedRow {
    id: Uuid,
    scope_kind: String,
    scope_name: String,
    key: String,
    subject: Vec<u8>,
    policy: String,
    host: Option<String>,
    attempts: i32,
}

fn scope(kind: &str, name: String) -> Result<SbomScope> {
    Ok(SbomScope { kind: ScopeKind::parse(kind)?, name })
}

impl Row {
    fn into_verdict(self) -> Result<StoredVerdict> {
        Ok(StoredVerdict {
            id: self.id,
            scope: scope(&self.scope_kind, self.scope_name)?,
            key: self.key,
            subject: to_digest(&self.subject)?,
            policy: self.policy,
            policy_digest: to_digest(&self.policy_digest)?,
            inputs_digest: to_digest(&self.inputs_digest)?,
            trust_revision: self.trust_revision,
            setup: to_digest(&self.setup)?,
            passed: self.passed,
            verdict: self.verdict,
            summary: self.summary,
            attached: self.attached.as_deref().map(to_digest).transpose()?,
            host: self.host,
            made_at: self.made_at,
            made_by: self.made_by,
            valid_until: self.valid_until,
            told_at: self.told_at,
            counts: self.counts,
        })
    }
}

impl LapsedRow {
    fn into_lapsed(self) -> Result<LapsedVerdict> {
        Ok(LapsedVerdict {
            id: self.id,
            scope: scope(&self.scope_kind, self.scope_name)?,
            key: self.key,
            subject: to_digest(&self.subject)?,
            policy: self.policy,
            host: self.host,
            attempts: self.attempts,
        })
    }
}

impl Index {
    /// Keeps a verdict in place of the one before; the manifest by which that one was attached.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn store_verdict(&self, new: NewVerdict<'_>) -> Result<Option<Digest>> {
        let records = self.canonical(new.audit);
        let carriers: Vec<&[u8]> = new.carriers.iter().map(|digest| digest.as_bytes().as_slice()).collect();
        let (status, replaced): (String, Option<Vec<u8>>) = self
            .fetch_one(|| {
                sqlx::query_as(STORE)
                    .bind(new.id)
                    .bind(new.scope.kind.as_str())
                    .bind(&new.scope.name)
                    .bind(new.key)
                    .bind(new.subject.as_bytes().as_slice())
                    .bind(new.policy)
                    .bind(new.policy_digest.as_bytes().as_slice())
                    .bind(new.inputs_digest.as_bytes().as_slice())
                    .bind(new.trust_revision)
                    .bind(new.passed)
                    .bind(new.verdict)
                    .bind(&carriers)
                    .bind(new.summary)
                    .bind(new.attached.map(|digest| digest.as_bytes().as_slice()))
                    .bind(new.host)
                    .bind(new.made_at)
                    .bind(new.made_by)
                    .bind(new.valid_until)
                    .bind(new.told_at)
                    .bind(seconds(new.pause))
                    .bind(new.setup.as_bytes().as_slice())
                    .bind(new.is_to_be_signed)
                    .bind(&records)
            })
            .await?;
        check(&status)?;
        replaced.as_deref().map(to_digest).transpose()
    }

    /// The last verdict of a policy on an artifact.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn verdict(
        &self,
        scope: &SbomScope,
        key: &str,
        subject: &Digest,
        policy: &str,
        as_of: AsOf,
    ) -> Result<Option<StoredVerdict>> {
        let row: Option<Row> = self
            .fetch_optional(|| {
                sqlx::query_as(ONE)
                    .bind(as_of.now)
                    .bind(as_of.setup.as_bytes().as_slice())
                    .bind(scope.kind.as_str())
                    .bind(&scope.name)
                    .bind(subject.as_bytes().as_slice())
                    .bind(key)
                    .bind(policy)
            })
            .await?;
        row.map(Row::into_verdict).transpose()
    }

    /// A verdict by its id; `None` where there is none, or a later one is in its place.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn verdict_by_id(&self, id: Uuid, as_of: AsOf) -> Result<Option<StoredVerdict>> {
        let row: Option<Row> = self
            .fetch_optional(|| sqlx::query_as(BY_ID).bind(as_of.now).bind(as_of.setup.as_bytes().as_slice()).bind(id))
            .await?;
        row.map(Row::into_verdict).transpose()
    }

    /// The last verdicts on an artifact, by the names of their policies behind `after`, and whether there are more.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn verdicts_of(
        &self,
        scope: &SbomScope,
        key: &str,
        subject: &Digest,
        (after, limit): (&str, u32),
        as_of: AsOf,
    ) -> Result<(Vec<StoredVerdict>, bool)> {
        let rows: Vec<Row> = self
            .fetch_all(|| {
                sqlx::query_as(LIST)
                    .bind(as_of.now)
                    .bind(as_of.setup.as_bytes().as_slice())
                    .bind(scope.kind.as_str())
                    .bind(&scope.name)
                    .bind(subject.as_bytes().as_slice())
                    .bind(key)
                    .bind(after)
                    .bind(i64::from(limit) + 1)
            })
            .await?;
        let (rows, more) = cut(rows, limit);
        Ok((rows.into_iter().map(Row::into_verdict).collect::<Result<_>>()?, more))
    }

    /// Takes a verdict that is to be made anew, for `lease`, by whoever verifies by `setup`.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn claim_lapsed_verdict(&self, lease: Duration, setup: &Digest) -> Result<Option<LapsedVerdict>> {
        let row: Option<LapsedRow> = self
            .fetch_optional(|| sqlx::query_as(CLAIM).bind(seconds(lease)).bind(setup.as_bytes().as_slice()))
            .await?;
        row.map(LapsedRow::into_lapsed).transpose()
    }

    /// Says that what happened at `told_at` has not changed a verdict: all that it was made of is as it was.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn confirm_verdict(&self, id: Uuid, told_at: OffsetDateTime) -> Result<()> {
        let _: Option<(i64,)> = self.fetch_optional(|| sqlx::query_as(CONFIRM).bind(id).bind(told_at)).await?;
        Ok(())
    }

    /// Lets a verdict rest that could not be made anew.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn hold_verdict(&self, id: Uuid, pause: Duration) -> Result<()> {
        let _: Option<(i64,)> = self.fetch_optional(|| sqlx::query_as(HOLD).bind(id).bind(seconds(pause))).await?;
        Ok(())
    }

    /// Forgets a verdict whose artifact is gone.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn forget_verdict(&self, id: Uuid) -> Result<()> {
        let _: Option<(i64,)> = self.fetch_optional(|| sqlx::query_as(FORGET).bind(id)).await?;
        Ok(())
    }

    /// Forgets verdicts that count no longer and were made this long ago; how many.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn forget_old_verdicts(&self, retention: Duration, limit: u32) -> Result<i64> {
        let (forgotten,): (i64,) =
            self.fetch_one(|| sqlx::query_as(FORGET_OLD).bind(seconds(retention)).bind(i64::from(limit))).await?;
        Ok(forgotten)
    }
}
