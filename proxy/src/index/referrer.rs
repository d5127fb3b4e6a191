//! What refers to artifacts: a row for each manifest with a subject. How they are added and removed is told in
//! `migrations/0016_artifacts.sql`; when they go by themselves in `referrer_sweep.rs`.

use std::collections::BTreeMap;

use sqlx::types::Json;
use uuid::Uuid;

use super::Index;
use super::convert::{check, to_digest, to_i64, to_u64};
use super::list::cut;
use crate::audit::Record;
use crate::digest::Digest;
use crate::error::{Code, Error, Result};

/// A referrer of an object, or of another referrer, whose blobs are at the store and whose manifest is not yet.
#[derive(Debug, Clone)]
pub struct NewReferrer<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// The manifest's digest.
    pub digest: Digest,
    /// What it refers to.
    pub subject: Digest,
    /// The object's manifest that the chain of subjects ends with.
    pub root: Digest,
    /// Whether the manifest says itself what it refers to.
    pub is_listed: bool,
    /// What it is: `signature`, `sbom`, `attestation`, `other`.
    pub kinds: &'a [&'static str],
    /// The manifest's media type.
    pub media_type: &'a str,
    /// The artifact's type.
    pub artifact_type: Option<&'a str>,
    /// The manifest's size in bytes.
    pub size: u64,
    /// The manifest's annotations.
    pub annotations: &'a BTreeMap<String, String>,
    /// The blobs that it names, and their sizes.
    pub blobs: &'a [(Digest, u64)],
    /// Who attaches it.
    pub owner: &'a str,
    /// How many referrers its root may have, this one included.
    pub most: u32,
}

/// Bytes of a manifest and of the blobs that it names: what it holds in its bucket.
#[must_use]
pub fn held_bytes(manifest: u64, blobs: &[(Digest, u64)]) -> u64 {
    blobs.iter().fold(manifest, |held, (_, size)| held.saturating_add(*size))
}

/// A referrer.
#[derive(Debug, Clone)]
pub struct Referrer {
    /// The row; later ones have greater ids.
    pub id: i64,
    /// The manifest's digest.
    pub digest: Digest,
    /// As in [`NewReferrer::root`].
    pub root: Digest,
    /// The repository at the store that has the manifest and its blobs.
    pub repository: String,
    /// As in [`NewReferrer::kinds`].
    pub kinds: Vec<String>,
    /// The manifest's media type.
    pub media_type: String,
    /// The artifact's type.
    pub artifact_type: Option<String>,
    /// The manifest's size in bytes.
    pub size: u64,
    /// The manifest's annotations.
    pub annotations: BTreeMap<String, String>,
}

/// A page of referrers, in the order in which they came.
#[derive(Debug, Clone)]
pub struct ReferrerPage {
    /// The referrers.
    pub referrers: Vec<Referrer>,
    /// Whether there are more behind the last.
    pub truncated: bool,
}

/// A blob that referrers name.
#[derive(Debug, Clone)]
pub struct ReferrerBlob {
    /// The repository at the store.
    pub repository: String,
    /// Its size.
    pub size: u64,
    /// The objects' manifests that the referrers who name it end with.
    pub roots: Vec<Digest>,
}

/// How a referrer is named.
#[derive(Debug, Clone, Copy)]
pub enum ReferrerRef<'a> {
    /// By the digest of its manifest.
    Digest(&'a Digest),
    /// By the tag that older clients give it.
    Tag(&'a str),
}

/// A tag that a referrer gets.
#[derive(Debug, Clone, Copy)]
pub struct Tagging<'a> {
    /// The tag.
    pub tag: &'a str,
    /// The row of the referrer that it may be taken from. Whoever says so has seen to it that nothing is lost by that which may not be.
    pub replaces: Option<i64>,
}

impl<'a> ReferrerRef<'a> {
    fn parameters(self) -> (Option<&'a [u8]>, Option<&'a str>) {
        match self {
            Self::Digest(digest) => (Some(digest.as_bytes().as_slice()), None),
            Self::Tag(tag) => (None, Some(tag)),
        }
    }
}

/// The columns of [`ReferrerRow`], of a table that is called `r`.
macro_rules! referrer_columns {
    () => {
        "r.id, r.digest, r.root, r.repository, r.kinds, r.media_type, r.artifact_type, r.size, r.annotations"
    };
}

const BEGIN: &str =
    "SELECT status, referrer_id FROM begin_referrer($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";

const ROOM: &str = "SELECT expect_room_for_referrer($1, $2, $3, $4)";

const HOME: &str = "SELECT referrer_repository(placement_id) FROM buckets WHERE name = $1";

/// One digest may refer to several subjects, by tags: any of them will do.
const BY_DIGEST: &str = concat!(
    "SELECT ",
    referrer_columns!(),
    "
    FROM buckets b JOIN referrers r ON r.repository = referrer_repository(b.placement_id)
    WHERE b.name = $1 AND r.digest = $2 AND r.stored_at IS NOT NULL AND r.condemned_at IS NULL
    ORDER BY r.subject LIMIT 1"
);

const BY_TAG: &str = concat!(
    "SELECT ",
    referrer_columns!(),
    "
    FROM buckets b JOIN referrers r ON r.repository = referrer_repository(b.placement_id)
    WHERE b.name = $1 AND r.tag = $2 AND r.stored_at IS NOT NULL AND r.condemned_at IS NULL"
);

const LIST: &str = concat!(
    "SELECT ",
    referrer_columns!(),
    "
    FROM buckets b JOIN referrers r ON r.repository = referrer_repository(b.placement_id)
    WHERE b.name = $1 AND r.subject = $2 AND r.id > $3 AND r.is_listed
      AND r.stored_at IS NOT NULL AND r.condemned_at IS NULL
      AND (cardinality($4::text[]) = 0 OR r.artifact_type = ANY ($4))
    ORDER BY r.id LIMIT $5"
);

/// A blob that very many name is looked for in some of them.
const BLOB: &str = "
    SELECT named.repository, max(named.size), array_agg(DISTINCT named.root)
    FROM (
        SELECT n.repository, n.size, r.root
        FROM buckets b
        JOIN referrer_blobs n ON n.repository = referrer_repository(b.placement_id)
        JOIN referrers r ON r.id = n.referrer_id
        WHERE b.name = $1 AND n.digest = $2 AND r.stored_at IS NOT NULL AND r.condemned_at IS NULL
        LIMIT 1000
    ) AS named
    GROUP BY named.repository";

#[derive(sqlx::FromRow)]
struct ReferrerRow {
    id: i64,
    digest: Vec<u8>,
    root: Vec<u8>,
    repository: String,
    kinds: Vec<String>,
    media_type: String,
    artifact_type: Option<String>,
    size: i64,
    annotations: Json<BTreeMap<String, String>>,
}

impl ReferrerRow {
    fn into_referrer(self) -> Result<Referrer> {
        Ok(Referrer {
            id: self.id,
            digest: to_digest(&self.digest)?,
            root: to_digest(&self.root)?,
            repository: self.repository,
            kinds: self.kinds,
            media_type: self.media_type,
            artifact_type: self.artifact_type,
            size: to_u64(self.size),
            annotations: self.annotations.0,
        })
    }
}

impl Index {
    /// The repository at the store that keeps what refers to a bucket's objects.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn referrer_repository(&self, bucket: &str) -> Result<String> {
        let row: Option<(String,)> = self.fetch_optional(|| sqlx::query_as(HOME).bind(bucket)).await?;
        row.map(|(repository,)| repository).ok_or_else(|| Code::NoSuchBucket.into())
    }

    /// Whether a referrer that holds `bytes` would be taken as things are now, or so many bytes that none names yet. It may be
    /// refused all the same.
    /// # Errors
    /// `QuotaExceeded`. A bucket that does not exist has room, as in [`Self::expect_room`].
    pub async fn expect_room_for_referrer(
        &self,
        bucket: &str,
        referrer: Option<(&Digest, &Digest)>,
        bytes: u64,
    ) -> Result<()> {
        let bytes = to_i64(bytes)?;
        let digest = referrer.map(|(digest, _)| digest.as_bytes().as_slice());
        let subject = referrer.map(|(_, subject)| subject.as_bytes().as_slice());
        let _: (bool,) =
            self.fetch_one(|| sqlx::query_as(ROOM).bind(bucket).bind(digest).bind(subject).bind(bytes)).await?;
        Ok(())
    }

    /// Writes a referrer down before its manifest is sent to the store; its row. Nobody sees it yet, and what it holds is counted.
    /// # Errors
    /// `NoSuchBucket`; `OperationAborted` where the same manifest is just being deleted; `QuotaExceeded`; `LimitExceeded` where
    /// the root has as many referrers as it may have.
    pub async fn begin_referrer(&self, referrer: &NewReferrer<'_>) -> Result<i64> {
        let size = to_i64(referrer.size)?;
        let held = to_i64(held_bytes(referrer.size, referrer.blobs))?;
        let digests: Vec<&[u8]> = referrer.blobs.iter().map(|(digest, _)| digest.as_bytes().as_slice()).collect();
        let sizes = referrer.blobs.iter().map(|(_, size)| to_i64(*size)).collect::<Result<Vec<i64>>>()?;
        let (status, id): (String, Option<i64>) = self
            .fetch_one(|| {
                sqlx::query_as(BEGIN)
                    .bind(referrer.bucket)
                    .bind(referrer.digest.as_bytes().as_slice())
                    .bind(referrer.subject.as_bytes().as_slice())
                    .bind(referrer.root.as_bytes().as_slice())
                    .bind(referrer.is_listed)
                    .bind(referrer.kinds)
                    .bind(referrer.media_type)
                    .bind(referrer.artifact_type)
                    .bind(size)
                    .bind(held)
                    .bind(Json(referrer.annotations))
                    .bind(&digests)
                    .bind(&sizes)
                    .bind(referrer.owner)
                    .bind(i64::from(referrer.most))
            })
            .await?;
        check(&status)?;
        id.ok_or_else(|| Error::internal("begin_referrer answered without a row"))
    }

    /// Makes a referrer seen whose manifest the store has, under a tag where older clients look for one, and puts it on record as
    /// the outcome of `intent`; one transaction.
    /// # Errors
    /// `OperationAborted` where it took so long that it was given up, or the tag is another referrer's than the one that it may be taken
    /// from.
    pub async fn store_referrer(
        &self,
        id: i64,
        tagging: Option<Tagging<'_>>,
        audit: &[Record],
        intent: Option<Uuid>,
    ) -> Result<()> {
        const STORE: &str = "SELECT store_referrer($1, $2, $3, $4, $5)";
        let records = self.canonical(audit);
        let (tag, replaces) = (tagging.map(|tagging| tagging.tag), tagging.and_then(|tagging| tagging.replaces));
        let (status,): (String,) = self
            .fetch_one(|| sqlx::query_as(STORE).bind(id).bind(tag).bind(replaces).bind(&records).bind(intent))
            .await?;
        check(&status)
    }

    /// A referrer in a bucket.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn referrer(&self, bucket: &str, named: ReferrerRef<'_>) -> Result<Option<Referrer>> {
        let row: Option<ReferrerRow> = match named {
            ReferrerRef::Digest(digest) => {
                let digest = digest.as_bytes().as_slice();
                self.fetch_optional(|| sqlx::query_as(BY_DIGEST).bind(bucket).bind(digest)).await?
            }
            ReferrerRef::Tag(tag) => self.fetch_optional(|| sqlx::query_as(BY_TAG).bind(bucket).bind(tag)).await?,
        };
        row.map(ReferrerRow::into_referrer).transpose()
    }

    /// What says that it refers to `subject`, behind the row `after`; with types, only what is of one of them.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn list_referrers(
        &self,
        bucket: &str,
        subject: &Digest,
        artifact_types: &[String],
        after: i64,
        limit: u32,
    ) -> Result<ReferrerPage> {
        let rows: Vec<ReferrerRow> = self
            .fetch_all(|| {
                sqlx::query_as(LIST)
                    .bind(bucket)
                    .bind(subject.as_bytes().as_slice())
                    .bind(after)
                    .bind(artifact_types)
                    .bind(i64::from(limit) + 1)
            })
            .await?;
        let (rows, truncated) = cut(rows, limit);
        let referrers = rows.into_iter().map(ReferrerRow::into_referrer).collect::<Result<_>>()?;
        Ok(ReferrerPage { referrers, truncated })
    }

    /// A blob that referrers in a bucket name.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn referrer_blob(&self, bucket: &str, digest: &Digest) -> Result<Option<ReferrerBlob>> {
        let row: Option<(String, i64, Vec<Vec<u8>>)> =
            self.fetch_optional(|| sqlx::query_as(BLOB).bind(bucket).bind(digest.as_bytes().as_slice())).await?;
        let Some((repository, size, roots)) = row else { return Ok(None) };
        let roots = roots.iter().map(|root| to_digest(root)).collect::<Result<_>>()?;
        Ok(Some(ReferrerBlob { repository, size: to_u64(size), roots }))
    }

    /// Takes a referrer out of sight; the digests of the manifests that are now to be deleted at the store.
    /// # Errors
    /// `ManifestUnknown` where there is none.
    pub async fn condemn_referrer(
        &self,
        repository: &str,
        named: ReferrerRef<'_>,
        audit: &[Record],
    ) -> Result<Vec<Digest>> {
        const CONDEMN: &str = "SELECT status, digests FROM condemn_referrers($1, $2, $3, $4)";
        let records = self.canonical(audit);
        let (digest, tag) = named.parameters();
        let (status, digests): (String, Option<Vec<Vec<u8>>>) =
            self.fetch_one(|| sqlx::query_as(CONDEMN).bind(repository).bind(digest).bind(tag).bind(&records)).await?;
        check(&status)?;
        digests.unwrap_or_default().iter().map(|digest| to_digest(digest)).collect()
    }
}
