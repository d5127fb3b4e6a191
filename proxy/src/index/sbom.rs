//! Bills of materials: which documents there are of which artifacts, and what goes into the index of each.
//!
//! What does not live here: reading documents (`supply_chain::sbom`), searching what they say (`index::component`), and the
//! documents themselves, which lie in the registry.

use time::OffsetDateTime;

use super::Index;
use super::audited::audited;
use super::convert::{check, to_digest, to_i64, to_u64};
use super::sbom_columns::Columns;
use crate::audit::Record;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::supply_chain::sbom::Reading;
use crate::supply_chain::sbom::carried::Manner;

/// Grows with every change of what is made of a document, so that those that were read before are read again.
const REVISION: i32 = 1;

/// What decides who may read a document: where its artifact is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SbomScope {
    /// A bucket or a repository.
    pub kind: ScopeKind,
    /// Its name.
    pub name: String,
}

/// Where artifacts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ScopeKind {
    /// Objects, in a bucket.
    Bucket,
    /// Manifests, in a repository of the registry.
    Repository,
}

impl ScopeKind {
    /// The name in the index.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bucket => "bucket",
            Self::Repository => "repository",
        }
    }

    pub(super) fn parse(text: &str) -> Result<Self> {
        [Self::Bucket, Self::Repository]
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| Error::internal(format!("the index has a scope of the kind {text:?}")))
    }
}

/// A document to be indexed.
#[derive(Debug, Clone)]
pub struct NewSbom<'a> {
    /// Where the artifact is.
    pub scope: &'a SbomScope,
    /// The object's key; empty in a repository.
    pub key: &'a str,
    /// Digest of the artifact's manifest.
    pub subject: &'a Digest,
    /// Digest of the manifest that carries the document.
    pub carrier: &'a Digest,
    /// Digest of the document.
    pub digest: &'a Digest,
    /// Length of the document, in bytes.
    pub size: u64,
    /// How it is carried.
    pub manner: Manner,
    /// What it says, and what is wrong with it.
    pub reading: &'a Reading,
    /// What is recorded with it; empty where the service acts of itself.
    pub audit: &'a [Record],
}

/// What became of a document that was to be indexed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexedSbom {
    /// Its row.
    pub id: i64,
    /// Whether the index has changed: a document that was read before by the same program is left as it is.
    pub changed: bool,
}

/// A document of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSbom {
    /// The row.
    pub id: i64,
    /// Where the artifact is.
    pub scope: SbomScope,
    /// The object's key; empty in a repository.
    pub key: String,
    /// Digest of the artifact's manifest.
    pub subject: Digest,
    /// Digest of the manifest that carries the document.
    pub carrier: Digest,
    /// Digest of the document.
    pub digest: Digest,
    /// How it is carried.
    pub manner: Manner,
    /// `cyclonedx` or `spdx`.
    pub format: String,
    /// The version of the specification.
    pub version: String,
    /// How it is written.
    pub encoding: String,
    /// Its own name in the world.
    pub serial: Option<String>,
    /// Its length, in bytes.
    pub size: u64,
    /// How much is wrong with it; 0: it is valid.
    pub errors: u64,
    /// How many components it lists.
    pub components: u64,
    /// How many edges it has.
    pub edges: u64,
    /// When it was indexed.
    pub indexed_at: OffsetDateTime,
}

const INDEX: &str = audited!(
    39,
    "SELECT status, document_id, changed FROM index_sbom($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, \
     $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38)"
);

/// The last call, which finds nothing, has nothing to record.
const FORGET: &str = audited!(
    6,
    "SELECT status, forgotten FROM forget_sboms($1, $2, $3, $4, $5)",
    "done.status = 'ok' AND done.forgotten > 0"
);

const OF_SUBJECT: &str = "
    SELECT d.id, s.kind AS scope_kind, s.name AS scope_name, d.key, d.subject, d.carrier, d.digest, d.manner, d.format, d.version,
           d.encoding, d.serial, d.size, d.errors, d.components, d.edges, d.indexed_at
    FROM sbom_documents d JOIN sbom_scopes s ON s.id = d.scope_id
    WHERE s.kind = $1 AND s.name = $2 AND d.subject = $3 AND d.key = $4 AND d.id > $5 AND ($7::bytea IS NULL OR d.digest = $7)
    ORDER BY d.id LIMIT $6";

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    scope_kind: String,
    scope_name: String,
    key: String,
    subject: Vec<u8>,
    carrier: Vec<u8>,
    digest: Vec<u8>,
    manner: String,
    format: String,
    version: String,
    encoding: String,
    serial: Option<String>,
    size: i64,
    errors: i64,
    components: i64,
    edges: i64,
    indexed_at: OffsetDateTime,
}

impl Row {
    fn into_stored(self) -> Result<StoredSbom> {
        Ok(StoredSbom {
            id: self.id,
            scope: SbomScope { kind: ScopeKind::parse(&self.scope_kind)?, name: self.scope_name },
            key: self.key,
            subject: to_digest(&self.subject)?,
            carrier: to_digest(&self.carrier)?,
            digest: to_digest(&self.digest)?,
            manner: Manner::parse(&self.manner)
                .ok_or_else(|| Error::internal(format!("the index has a document carried as {:?}", self.manner)))?,
            format: self.format,
            version: self.version,
            encoding: self.encoding,
            serial: self.serial,
            size: to_u64(self.size),
            errors: to_u64(self.errors),
            components: to_u64(self.components),
            edges: to_u64(self.edges),
            indexed_at: self.indexed_at,
        })
    }
}

impl Index {
    /// Puts a document and its components into the index. Again with the same bytes, it changes nothing but for the record.
    /// # Errors
    /// `NoSuchBucket`.
    pub async fn index_sbom(&self, new: NewSbom<'_>) -> Result<IndexedSbom> {
        let records = self.canonical(new.audit);
        let (sbom, report) = (&new.reading.sbom, &new.reading.report);
        let columns = Columns::of(new.reading);
        let (size, edges, dangling) = (to_i64(new.size)?, to_i64(sbom.edges.count)?, to_i64(sbom.edges.dangling)?);
        let (errors, remarks) = (to_i64(report.errors())?, to_i64(report.remarks())?);
        let (status, id, changed): (String, Option<i64>, Option<bool>) = self
            .fetch_one(|| {
                sqlx::query_as(INDEX)
                    .bind(new.scope.kind.as_str())
                    .bind(&new.scope.name)
                    .bind(new.key)
                    .bind(new.subject.as_bytes().as_slice())
                    .bind(new.carrier.as_bytes().as_slice())
                    .bind(new.digest.as_bytes().as_slice())
                    .bind(new.manner.as_str())
                    .bind(sbom.format.family())
                    .bind(sbom.format.version())
                    .bind(sbom.format.encoding())
                    .bind(sbom.serial.as_deref())
                    .bind(sbom.name.as_deref())
                    .bind(sbom.created.as_deref())
                    .bind(&sbom.tools)
                    .bind(size)
                    .bind(errors)
                    .bind(remarks)
                    .bind(edges)
                    .bind(dangling)
                    .bind(REVISION)
                    .bind(&columns.roots)
                    .bind(&columns.kinds)
                    .bind(&columns.groups)
                    .bind(&columns.names)
                    .bind(&columns.versions)
                    .bind(&columns.purls)
                    .bind(&columns.cpes)
                    .bind(&columns.suppliers)
                    .bind(&columns.licences)
                    .bind(&columns.name_keys)
                    .bind(&columns.purl_types)
                    .bind(&columns.purl_namespaces)
                    .bind(&columns.purl_names)
                    .bind(&columns.purl_versions)
                    .bind(&columns.purl_qualifiers)
                    .bind(&columns.version_keys)
                    .bind(&columns.licence_ordinals)
                    .bind(&columns.licence_keys)
                    .bind(&records)
            })
            .await?;
        check(&status)?;
        match (id, changed) {
            (Some(id), Some(changed)) => Ok(IndexedSbom { id, changed }),
            _ => Err(Error::internal("index_sbom answered without a row")),
        }
    }

    /// Takes documents out of the index: of a scope those of a key, of an artifact, of a carrier; unset means any. How many
    /// went.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn forget_sboms(
        &self,
        scope: &SbomScope,
        key: Option<&str>,
        subject: Option<&Digest>,
        carrier: Option<&Digest>,
        audit: &[Record],
    ) -> Result<u64> {
        let records = self.canonical(audit);
        let (status, forgotten): (String, i64) = self
            .fetch_one(|| {
                sqlx::query_as(FORGET)
                    .bind(scope.kind.as_str())
                    .bind(&scope.name)
                    .bind(key)
                    .bind(subject.map(|digest| digest.as_bytes().as_slice()))
                    .bind(carrier.map(|digest| digest.as_bytes().as_slice()))
                    .bind(&records)
            })
            .await?;
        check(&status)?;
        Ok(to_u64(forgotten))
    }

    /// The documents of an artifact, the oldest first, behind the row `after`.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn sboms(
        &self,
        scope: &SbomScope,
        key: &str,
        subject: &Digest,
        after: i64,
        limit: u32,
    ) -> Result<Vec<StoredSbom>> {
        self.sboms_of(scope, key, subject, None, after, limit).await
    }

    /// One of the documents of an artifact; the one that was indexed first, where several manifests carry it.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn sbom(
        &self,
        scope: &SbomScope,
        key: &str,
        subject: &Digest,
        digest: &Digest,
    ) -> Result<Option<StoredSbom>> {
        Ok(self.sboms_of(scope, key, subject, Some(digest), 0, 1).await?.pop())
    }

    async fn sboms_of(
        &self,
        scope: &SbomScope,
        key: &str,
        subject: &Digest,
        digest: Option<&Digest>,
        after: i64,
        limit: u32,
    ) -> Result<Vec<StoredSbom>> {
        let rows: Vec<Row> = self
            .fetch_all(|| {
                sqlx::query_as(OF_SUBJECT)
                    .bind(scope.kind.as_str())
                    .bind(&scope.name)
                    .bind(subject.as_bytes().as_slice())
                    .bind(key)
                    .bind(after)
                    .bind(i64::from(limit))
                    .bind(digest.map(|digest| digest.as_bytes().as_slice()))
            })
            .await?;
        rows.into_iter().map(Row::into_stored).collect()
    }
}
