//! What is known of artifacts for policies: the pieces of each, and who is to be looked at.
//!
//! What does not live here: what a piece means and who is believed (`supply_chain::facts`), looking at an artifact
//! (`supply_chain::evidence`), what was pushed at the registry (`index/push.rs`). Rows of objects are told by triggers: `migrations/0020_evidence.sql`.

use std::time::Duration;

use sqlx::types::Json;
use time::OffsetDateTime;

use super::convert::{check, seconds, to_digest, to_u64};
use super::evidence_row::{PieceRow, StoredPiece};
use super::{Index, SbomScope, ScopeKind};
use crate::digest::Digest;
use crate::error::Result;
use crate::supply_chain::facts::{Known, Look, Piece};

/// Pieces that are read of one artifact and of those that list it.
const PIECES: i64 = 4096;

/// Indexes that an artifact inherits from: those first of which somebody who was believed has signed something, and of these the newest.
/// Nothing is inherited from others.
const PARENTS: i64 = 32;

/// What was found when an artifact was looked at.
#[derive(Debug)]
pub struct NewEvidence<'a> {
    /// Where the artifact is.
    pub scope: &'a SbomScope,
    /// Digest of its manifest.
    pub subject: &'a Digest,
    /// As of when what refers to it was listed.
    pub listed_at: OffsetDateTime,
    /// Whether nothing was left out.
    pub is_whole: bool,
    /// Whether it holds signatures, attestations or bills of materials and nothing else.
    pub is_evidence: bool,
    /// The manifests that it lists.
    pub children: &'a [Digest],
    /// The manifests that refer to it: pieces of others go.
    pub carriers: &'a [Digest],
    /// The pieces that were read just now.
    pub pieces: &'a [Piece],
    /// After how long it shall be looked at again; unset: when something happens.
    pub again: Option<Duration>,
}

/// What is known of an artifact before it is looked at.
#[derive(Debug)]
pub struct BeforeLook {
    /// The present, by the clock of the index.
    pub now: OffsetDateTime,
    /// Whether all shall be read again.
    pub rereads: bool,
    /// What was found the last time.
    pub pieces: Vec<Piece>,
}

/// The first row is always there; pieces stand in those that have one.
const FACTS: &str = "
    WITH scope AS (SELECT id FROM sbom_scopes WHERE kind = $1 AND name = $2),
    own AS (SELECT s.* FROM evidence_subjects s JOIN scope ON s.scope_id = scope.id WHERE s.digest = $3),
    parents AS (
        SELECT s.* FROM evidence_children c JOIN scope ON c.scope_id = scope.id JOIN evidence_subjects s ON s.id = c.parent_id
        WHERE c.child = $3
        ORDER BY EXISTS (
            SELECT FROM evidence e WHERE e.subject_id = s.id AND (e.key IS NOT NULL OR e.identity IS NOT NULL)
        ) DESC, s.id DESC LIMIT $4
    ),
    family AS (SELECT 0 AS generation, * FROM own UNION ALL SELECT 1, * FROM parents),
    vouched AS (
        SELECT f.*, EXISTS (
            SELECT FROM evidence e WHERE e.subject_id = f.id AND (e.key IS NOT NULL OR e.identity IS NOT NULL)
        ) AS is_vouched_for
        FROM family f
    )
    SELECT f.id AS look, f.generation, f.digest, f.looked_at, f.is_whole, f.is_evidence, f.is_vouched_for,
           COALESCE(f.told_at > f.looked_at, false) OR EXISTS (
               -- It is being deleted, or something that it was found in is.
               SELECT FROM evidence_pushes p
               WHERE $1 = 'repository' AND p.repository = $2 AND p.is_deletion
                 AND (p.told_at > COALESCE(f.looked_at, '-infinity') OR p.due_at > now())
                 AND (p.reference = 'sha256:' || encode(f.digest, 'hex') OR p.reference IN (
                     SELECT 'sha256:' || encode(c.carrier, 'hex') FROM evidence c
                     WHERE c.subject_id = f.id AND NOT is_own_verdict(c.predicate_type, c.key)))
           ) AS is_stale, e.*
    FROM vouched f LEFT JOIN evidence e ON e.subject_id = f.id
    -- Where there is more than is read, it is of those that nobody vouches for.
    ORDER BY f.generation, f.is_vouched_for DESC, f.id LIMIT $5";

const BEFORE: &str = "
    SELECT clock_timestamp() AS now, COALESCE(s.rereads, false) AS rereads, e.*
    FROM (VALUES (1)) AS one (n)
    LEFT JOIN sbom_scopes c ON c.kind = $1 AND c.name = $2
    LEFT JOIN evidence_subjects s ON s.scope_id = c.id AND s.digest = $3
    LEFT JOIN evidence e ON e.subject_id = s.id";

const IS_TOLD: &str = "
    SELECT EXISTS (
        SELECT FROM evidence_subjects s JOIN sbom_scopes c ON c.id = s.scope_id
        WHERE c.kind = $1 AND c.name = $2 AND s.digest = $3 AND (
            s.told_at > COALESCE(s.looked_at, '-infinity')
            -- What is pushed is about something, which is read when it is there.
            OR $1 = 'repository' AND EXISTS (
                SELECT FROM evidence_pushes p WHERE p.repository = $2 AND p.told_at > COALESCE(s.looked_at, '-infinity')
            )
        )
    )";

/// Whoever fails leaves it due again, later each time.
const CLAIM: &str = "
    WITH due AS MATERIALIZED (
        SELECT id FROM evidence_subjects WHERE due_at <= now() ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    UPDATE evidence_subjects AS s
    SET attempts = s.attempts + 1,
        due_at = clock_timestamp() + LEAST(interval '1 hour', make_interval(secs => $1 * power(2, LEAST(s.attempts, 10))))
    FROM due, sbom_scopes AS c WHERE s.id = due.id AND c.id = s.scope_id
    RETURNING c.kind, c.name, s.digest";

/// What is gone is known of no more, and nobody looks at it again for having waited long.
const REST: &str = "
    WITH rests AS (
        UPDATE evidence_subjects AS s SET due_at = NULL, attempts = 0, looked_at = NULL FROM sbom_scopes AS c
        WHERE c.kind = $1 AND c.name = $2 AND s.scope_id = c.id AND s.digest = $3 AND s.told_at <= $4 RETURNING 1
    )
    SELECT count(*) FROM rests";

/// Those whose signatures may count by now, a few at a time: whoever was not looked at for longest first. Those that somebody is looking at,
/// or that fail and come again by themselves, stand in nobody's way, and neither do those that are gone.
const REOPEN: &str = "
    WITH open AS MATERIALIZED (
        SELECT DISTINCT subject_id FROM evidence WHERE NOT is_final AND trust_revision < $1
    ), few AS MATERIALIZED (
        SELECT s.id FROM open JOIN evidence_subjects s ON s.id = open.subject_id
        WHERE s.looked_at IS NOT NULL AND (s.due_at IS NULL OR s.attempts = 0 AND s.due_at > clock_timestamp())
        ORDER BY s.looked_at, s.id LIMIT $2
    ), due AS (
        UPDATE evidence_subjects AS s SET due_at = clock_timestamp() FROM few WHERE s.id = few.id RETURNING 1
    )
    SELECT count(*) FROM due";

/// Artifacts that were not looked at for long: something may have been pushed past us, or come and gone while somebody looked.
const REVISIT: &str = "
    WITH old AS MATERIALIZED (
        SELECT id FROM evidence_subjects
        WHERE looked_at < clock_timestamp() - make_interval(secs => $1) AND due_at IS NULL
        ORDER BY looked_at LIMIT $2
    ), due AS (
        UPDATE evidence_subjects AS s SET due_at = clock_timestamp() FROM old WHERE s.id = old.id RETURNING 1
    )
    SELECT count(*) FROM due";

const CRAWL: &str = "
    UPDATE evidence_crawl SET due_at = clock_timestamp() + make_interval(secs => $1)
    WHERE due_at <= clock_timestamp() RETURNING repository";

const CRAWLED: &str = "
    UPDATE evidence_crawl SET repository = $1, due_at = clock_timestamp() + make_interval(secs => $2) RETURNING 1::bigint";

#[derive(sqlx::FromRow)]
struct FactsRow {
    look: i64,
    generation: i32,
    digest: Vec<u8>,
    looked_at: Option<OffsetDateTime>,
    is_whole: bool,
    is_evidence: bool,
    is_vouched_for: bool,
    is_stale: bool,
    #[sqlx(flatten)]
    piece: PieceRow,
}

#[derive(sqlx::FromRow)]
struct BeforeRow {
    now: OffsetDateTime,
    rereads: bool,
    #[sqlx(flatten)]
    piece: PieceRow,
}

impl Index {
    /// What is known of an artifact: its pieces, and those of the indexes that list it. Nothing of one that something happened to since
    /// somebody looked. One round trip.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn known_of(&self, scope: &SbomScope, digest: &Digest) -> Result<Known> {
        let rows: Vec<FactsRow> = self
            .fetch_all(|| {
                sqlx::query_as(FACTS)
                    .bind(scope.kind.as_str())
                    .bind(&scope.name)
                    .bind(digest.as_bytes().as_slice())
                    .bind(PARENTS)
                    .bind(PIECES)
            })
            .await?;
        // Where there were more, what is known of the last one is not all.
        let is_cut = rows.len() as i64 >= PIECES;
        let (mut known, mut last) = (Known::default(), None);
        for row in rows {
            if last != Some((row.generation, row.look)) {
                last = Some((row.generation, row.look));
                if row.is_stale {
                    known.stale.push(to_digest(&row.digest)?);
                }
                let look = Look {
                    looked_at: row.looked_at.filter(|_| !row.is_stale),
                    is_whole: row.is_whole,
                    // That is in its manifest, which stays as it is.
                    is_evidence: row.is_evidence,
                    is_vouched_for: row.is_vouched_for,
                    pieces: Vec::new(),
                };
                if row.generation == 0 { known.own = look } else { known.parents.push(look) }
            }
            if row.is_stale {
                continue;
            }
            let of_parents = known.parents.last_mut().filter(|_| row.generation > 0);
            let look = of_parents.unwrap_or(&mut known.own);
            look.pieces.extend(row.piece.into_piece()?);
        }
        if is_cut {
            known.parents.last_mut().unwrap_or(&mut known.own).is_whole = false;
        }
        Ok(known)
    }

    /// What is known of an artifact that is about to be looked at.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn before_look(&self, scope: &SbomScope, digest: &Digest) -> Result<BeforeLook> {
        let rows: Vec<BeforeRow> = self
            .fetch_all(|| {
                sqlx::query_as(BEFORE).bind(scope.kind.as_str()).bind(&scope.name).bind(digest.as_bytes().as_slice())
            })
            .await?;
        let mut before = BeforeLook { now: OffsetDateTime::UNIX_EPOCH, rereads: false, pieces: Vec::new() };
        for row in rows {
            (before.now, before.rereads) = (row.now, row.rereads);
            before.pieces.extend(row.piece.into_piece()?);
        }
        Ok(before)
    }

    /// Whether something was attached to an artifact, or removed, since it was looked at, or may have been: of what was pushed to its
    /// repository meanwhile it is not known yet what it is about.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn is_told_of_evidence(&self, scope: &SbomScope, digest: &Digest) -> Result<bool> {
        let (is_told,): (bool,) = self
            .fetch_one(|| {
                sqlx::query_as(IS_TOLD).bind(scope.kind.as_str()).bind(&scope.name).bind(digest.as_bytes().as_slice())
            })
            .await?;
        Ok(is_told)
    }

    /// Writes down what was found; nothing where somebody has looked later.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn store_evidence(&self, new: &NewEvidence<'_>) -> Result<()> {
        const STORE: &str = "SELECT store_evidence($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        let bytes = |digests: &[Digest]| digests.iter().map(|digest| digest.as_bytes().to_vec()).collect::<Vec<_>>();
        let (children, carriers) = (bytes(new.children), bytes(new.carriers));
        let pieces: Vec<StoredPiece<'_>> = new.pieces.iter().map(StoredPiece::from).collect();
        let (status,): (String,) = self
            .fetch_one(|| {
                sqlx::query_as(STORE)
                    .bind(new.scope.kind.as_str())
                    .bind(&new.scope.name)
                    .bind(new.subject.as_bytes().as_slice())
                    .bind(new.listed_at)
                    .bind(new.is_whole)
                    .bind(new.is_evidence)
                    .bind(&children)
                    .bind(&carriers)
                    .bind(Json(&pieces))
                    .bind(new.again.map(seconds))
            })
            .await?;
        check(&status)
    }

    /// Has an artifact looked at.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn expect_evidence(&self, scope: &SbomScope, digest: &Digest) -> Result<()> {
        const EXPECT: &str = "SELECT expect_evidence($1, $2, $3)::text";
        let _: (Option<String>,) = self
            .fetch_one(|| {
                sqlx::query_as(EXPECT).bind(scope.kind.as_str()).bind(&scope.name).bind(digest.as_bytes().as_slice())
            })
            .await?;
        Ok(())
    }

    /// Leaves an artifact alone until something happens, where nothing has happened since `seen`.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn rest_evidence(&self, scope: &SbomScope, digest: &Digest, seen: OffsetDateTime) -> Result<()> {
        let _: (i64,) = self
            .fetch_one(|| {
                sqlx::query_as(REST)
                    .bind(scope.kind.as_str())
                    .bind(&scope.name)
                    .bind(digest.as_bytes().as_slice())
                    .bind(seen)
            })
            .await?;
        Ok(())
    }

    /// Takes out all that is known of a manifest of the registry that is gone, and what it has said of others.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn forget_manifest(&self, repository: &str, digest: &Digest) -> Result<()> {
        const FORGET: &str = "SELECT forget_manifest($1, $2)::text";
        let _: (Option<String>,) =
            self.fetch_one(|| sqlx::query_as(FORGET).bind(repository).bind(digest.as_bytes().as_slice())).await?;
        Ok(())
    }

    /// Takes an artifact that is due, for `lease`.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn claim_evidence(&self, lease: Duration) -> Result<Option<(SbomScope, Digest)>> {
        let row: Option<(String, String, Vec<u8>)> =
            self.fetch_optional(|| sqlx::query_as(CLAIM).bind(seconds(lease))).await?;
        let Some((kind, name, digest)) = row else { return Ok(None) };
        Ok(Some((SbomScope { kind: ScopeKind::parse(&kind)?, name }, to_digest(&digest)?)))
    }

    /// Makes artifacts due whose signatures may count by this revision of whom we believe; how many.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn reopen_evidence(&self, revision: i64, limit: u32) -> Result<u64> {
        let (due,): (i64,) = self.fetch_one(|| sqlx::query_as(REOPEN).bind(revision).bind(i64::from(limit))).await?;
        Ok(to_u64(due))
    }

    /// Makes artifacts due that were not looked at for `interval`; how many.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn revisit_evidence(&self, interval: Duration, limit: u32) -> Result<u64> {
        let (due,): (i64,) =
            self.fetch_one(|| sqlx::query_as(REVISIT).bind(seconds(interval)).bind(i64::from(limit))).await?;
        Ok(to_u64(due))
    }

    /// The repository behind which the walk through the registry goes on, where it is due and nobody else is at it for `lease`.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn claim_crawl(&self, lease: Duration) -> Result<Option<String>> {
        let row: Option<(String,)> = self.fetch_optional(|| sqlx::query_as(CRAWL).bind(seconds(lease))).await?;
        Ok(row.map(|(repository,)| repository))
    }

    /// Says how far the walk has come, and when it goes on.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn crawled(&self, repository: &str, pause: Duration) -> Result<()> {
        let _: (i64,) = self.fetch_one(|| sqlx::query_as(CRAWLED).bind(repository).bind(seconds(pause))).await?;
        Ok(())
    }
}
