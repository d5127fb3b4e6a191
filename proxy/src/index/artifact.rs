//! Objects as OCI artifacts: their manifests, which keys have a manifest or bytes of a digest, and the queue of objects whose
//! bytes have to be read to learn their digest. The manifest itself is written by `migrations/0016_artifacts.sql`.

use std::time::Duration;

use super::Index;
use super::convert::{seconds, to_digest, to_u64};
use crate::digest::Digest;
use crate::error::{Code, Result};

/// The current version of an object, as an artifact.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// The version's row.
    pub object_id: i64,
    /// Its manifest; unknown while nobody has read all of its bytes.
    pub manifest: Option<String>,
}

/// The keys whose objects have one manifest.
#[derive(Debug, Clone, Default)]
pub struct ArtifactKeys {
    /// The keys; in no order.
    pub keys: Vec<String>,
    /// The manifest, where there is any key.
    pub manifest: Option<String>,
}

/// The keys whose objects have the same bytes.
#[derive(Debug, Clone, Default)]
pub struct ContentKeys {
    /// The keys; in no order.
    pub keys: Vec<String>,
    /// The digest of each one's manifest, which has the end of the key in it.
    pub digests: Vec<Option<Digest>>,
    /// How many bytes that is.
    pub size: u64,
}

/// The left join gives a row of nothing where the bucket has no such key, and no row where there is no bucket.
const ONE: &str = "
    SELECT o.id, CASE WHEN o.id IS NOT NULL THEN artifact_manifest_of(o) END
    FROM buckets b
    LEFT JOIN objects o ON o.bucket_id = b.id AND o.key = $2 AND o.is_latest AND NOT o.is_delete_marker
    WHERE b.name = $1";

/// As [`ONE`], of a version: the latest one and the older ones have an index each.
const NAMED: &str = "
    SELECT o.id, CASE WHEN o.id IS NOT NULL THEN artifact_manifest_of(o.version) END
    FROM buckets b
    LEFT JOIN LATERAL (
        SELECT id, version FROM objects AS version
        WHERE bucket_id = b.id AND key = $2 AND is_latest AND version_id = $3 AND NOT is_delete_marker
        UNION ALL
        SELECT id, version FROM objects AS version
        WHERE bucket_id = b.id AND key = $2 AND NOT is_latest AND version_id = $3 AND NOT is_delete_marker
    ) o ON true
    WHERE b.name = $1";

/// All of them have one manifest, so that it is sent once.
const BY_MANIFEST: &str = "
    SELECT o.key, CASE WHEN row_number() OVER () = 1 THEN artifact_manifest_of(o) END
    FROM buckets b JOIN objects o ON o.bucket_id = b.id
    WHERE b.name = $1 AND o.oci_digest = $2 AND o.is_latest AND starts_with(o.key, $3)
    LIMIT $4";

const BY_CONTENT: &str = "
    SELECT o.key, o.size, o.oci_digest
    FROM buckets b JOIN objects o ON o.bucket_id = b.id
    WHERE b.name = $1 AND o.content_digest = $2 AND o.is_latest AND starts_with(o.key, $3)
    LIMIT $4";

/// Whoever fails leaves it due again, later each time.
const CLAIM: &str = "
    WITH due AS MATERIALIZED (
        SELECT object_id FROM undigested_objects WHERE due_at <= now() ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
    )
    UPDATE undigested_objects AS u
    SET attempts = u.attempts + 1,
        due_at = clock_timestamp() + LEAST(interval '1 hour', make_interval(secs => $1 * power(2, LEAST(u.attempts, 10))))
    FROM due WHERE u.object_id = due.object_id
    RETURNING u.object_id";

const HOLD: &str = "
    WITH held AS (
        UPDATE undigested_objects SET due_at = clock_timestamp() + make_interval(secs => $2) WHERE object_id = $1 RETURNING 1
    )
    SELECT count(*) FROM held";

impl Index {
    /// The current version of an object as an artifact; one round trip.
    /// # Errors
    /// `NoSuchBucket`, `NoSuchKey`.
    pub async fn artifact(&self, bucket: &str, key: &str) -> Result<Artifact> {
        let row: Option<(Option<i64>, Option<String>)> =
            self.fetch_optional(|| sqlx::query_as(ONE).bind(bucket).bind(key)).await?;
        let (id, manifest) = row.ok_or(Code::NoSuchBucket)?;
        let object_id = id.ok_or(Code::NoSuchKey)?;
        Ok(Artifact { object_id, manifest })
    }

    /// As [`Self::artifact`], of a version by its id.
    /// # Errors
    /// `NoSuchBucket`; `NoSuchVersion`, also for a delete marker.
    pub async fn artifact_version(&self, bucket: &str, key: &str, version: &str) -> Result<Artifact> {
        let row: Option<(Option<i64>, Option<String>)> =
            self.fetch_optional(|| sqlx::query_as(NAMED).bind(bucket).bind(key).bind(version)).await?;
        let (id, manifest) = row.ok_or(Code::NoSuchBucket)?;
        let object_id = id.ok_or(Code::NoSuchVersion)?;
        Ok(Artifact { object_id, manifest })
    }

    /// Up to `limit` keys below `prefix` whose objects' manifest has this digest; none where there is no such bucket either.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn artifact_keys(&self, bucket: &str, prefix: &str, digest: &Digest, limit: u32) -> Result<ArtifactKeys> {
        let rows: Vec<(String, Option<String>)> =
            self.fetch_all(|| by_digest(BY_MANIFEST, bucket, prefix, digest, limit)).await?;
        let mut found = ArtifactKeys::default();
        for (key, manifest) in rows {
            found.keys.push(key);
            found.manifest = found.manifest.or(manifest);
        }
        Ok(found)
    }

    /// Up to `limit` keys below `prefix` whose objects have these bytes; none where there is no such bucket either.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn content_keys(&self, bucket: &str, prefix: &str, digest: &Digest, limit: u32) -> Result<ContentKeys> {
        let rows: Vec<(String, i64, Option<Vec<u8>>)> =
            self.fetch_all(|| by_digest(BY_CONTENT, bucket, prefix, digest, limit)).await?;
        let mut found = ContentKeys::default();
        for (key, size, manifest) in rows {
            found.keys.push(key);
            found.digests.push(manifest.as_deref().map(to_digest).transpose()?);
            found.size = to_u64(size);
        }
        Ok(found)
    }

    /// Takes one version off the queue of those whose digest is not known, for `lease`; its row.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn claim_undigested(&self, lease: Duration) -> Result<Option<i64>> {
        let row: Option<(i64,)> = self.fetch_optional(|| sqlx::query_as(CLAIM).bind(seconds(lease))).await?;
        Ok(row.map(|(id,)| id))
    }

    /// Keeps others away from a version for `lease` more, where it is in the queue.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn hold_undigested(&self, object_id: i64, lease: Duration) -> Result<()> {
        let _: (i64,) = self.fetch_one(|| sqlx::query_as(HOLD).bind(object_id).bind(seconds(lease))).await?;
        Ok(())
    }

    /// Says what the digest of a version's bytes is, and gives that of its manifest; none where the version is gone.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn settle_digest(&self, object_id: i64, digest: &Digest) -> Result<Option<Digest>> {
        const SETTLE: &str = "SELECT artifact_settle($1, $2)";
        let (oci_digest,): (Option<Vec<u8>>,) =
            self.fetch_one(|| sqlx::query_as(SETTLE).bind(object_id).bind(digest.as_bytes().as_slice())).await?;
        oci_digest.as_deref().map(to_digest).transpose()
    }
}

fn by_digest<'q, T>(
    statement: &'static str,
    bucket: &'q str,
    prefix: &'q str,
    digest: &'q Digest,
    limit: u32,
) -> super::database::Statement<'q, T>
where
    T: for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>,
{
    sqlx::query_as(statement).bind(bucket).bind(digest.as_bytes().as_slice()).bind(prefix).bind(i64::from(limit))
}
