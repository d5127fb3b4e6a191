//! Which artifacts contain something: components by package URL, by name, by licence, over all documents of the index.
//!
//! One order for all searches: scope, document, place in the document. A page costs what its rows cost; rows of scopes that are
//! not asked for are passed over. What does not live here: who may read which scope (`authz`).

use super::convert::to_digest;
use super::database::Statement;
use super::list::cut;
use super::sbom::ScopeKind;
use super::{Index, SbomScope};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::supply_chain::sbom::carried::Manner;
use crate::supply_chain::sbom::{Purl, VersionRange};

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComponentQuery {
    /// A package, in a range of versions. Qualifiers that are given must be there; others may.
    Package {
        /// The package; its version is not looked at.
        purl: Purl,
        /// The versions.
        versions: VersionRange,
        /// One version, as it is written.
        version: Option<String>,
    },
    /// A name, without case.
    Name(String),
    /// A licence, without case, wherever it stands in an expression: `gpl-2.0-only`, `the acme licence`.
    Licence(String),
}

impl ComponentQuery {
    /// The package of a package URL: this version where it has one, else any.
    #[must_use]
    pub fn package(purl: Purl) -> Self {
        match purl.version.clone() {
            Some(version) => {
                Self::Package { versions: VersionRange::exactly(&purl.kind, &version), version: Some(version), purl }
            }
            None => Self::Package { versions: VersionRange::all(), version: None, purl },
        }
    }

    /// The package of a package URL in a range of versions.
    #[must_use]
    pub const fn versions(purl: Purl, versions: VersionRange) -> Self {
        Self::Package { purl, versions, version: None }
    }
}

/// Where a page ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ComponentPlace {
    /// The scope's row.
    pub scope: i64,
    /// The document's row.
    pub document: i64,
    /// The place in the document, from 0.
    pub ordinal: i32,
}

impl ComponentPlace {
    /// Before everything.
    pub const FIRST: Self = Self { scope: 0, document: 0, ordinal: -1 };
}

/// A component that was found, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundComponent {
    /// Where it stands in the order of pages.
    pub place: ComponentPlace,
    /// Where the artifact is.
    pub scope: SbomScope,
    /// The object's key; empty in a repository.
    pub key: String,
    /// Digest of the artifact's manifest.
    pub subject: Digest,
    /// Digest of the document that lists it.
    pub document: Digest,
    /// How the document is carried.
    pub manner: Manner,
    /// Whether the document is valid.
    pub valid: bool,
    /// Whether the document is about it, and does not only list it.
    pub is_root: bool,
    /// CycloneDX `type`, SPDX's purpose.
    pub kind: Option<String>,
    /// CycloneDX `group`.
    pub group: Option<String>,
    /// The name.
    pub name: String,
    /// The version.
    pub version: Option<String>,
    /// The package URL.
    pub purl: Option<String>,
    /// The licences, as they are said.
    pub licence: Option<String>,
}

/// A page of components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentPage {
    /// The components, in the order of their places.
    pub components: Vec<FoundComponent>,
    /// Whether there are more behind the last.
    pub truncated: bool,
}

macro_rules! found {
    ($components:expr) => {
        concat!(
            "SELECT c.scope_id, c.document_id, c.ordinal, s.kind AS scope_kind, s.name AS scope_name, d.key, d.subject, d.digest, \
             d.manner, d.errors = 0 AS valid, c.is_root, c.kind, c.\"group\", c.name, c.version, c.purl, c.licence FROM ",
            $components,
            " JOIN sbom_documents AS d ON d.id = c.document_id JOIN sbom_scopes AS s ON s.id = c.scope_id \
             ORDER BY c.scope_id, c.document_id, c.ordinal"
        )
    };
}

/// A page of a table's rows, in the order of pages.
macro_rules! page {
    ($table:literal, $condition:expr) => {
        concat!(
            "(SELECT * FROM ",
            $table,
            " WHERE ($1::bigint[] IS NULL OR scope_id = ANY ($1)) AND (scope_id, document_id, ordinal) > ($2, $3, $4) AND ",
            $condition,
            " ORDER BY scope_id, document_id, ordinal LIMIT $5)"
        )
    };
}

macro_rules! of_package {
    ($versions:literal) => {
        concat!(
            "purl_name = $6 AND purl_type = $7 AND purl_namespace = $8 AND string_to_array(purl_qualifiers, '&') @> $9 AND ",
            $versions
        )
    };
}

/// One version, by the index that leads to it.
const BY_VERSION: &str =
    found!(concat!(page!("sbom_components", of_package!("version_key = $10 AND purl_version = $11")), " AS c"));

/// A range of versions, or all.
const BY_PACKAGE: &str =
    found!(concat!(page!("sbom_components", of_package!("version_key >= $10 AND version_key < $11")), " AS c"));

const BY_NAME: &str = found!(concat!(page!("sbom_components", "name_key = $6"), " AS c"));

/// Each component by its key: without the fence, a plan that was made before there were statistics reads whole documents.
const BY_LICENCE: &str = found!(concat!(
    page!("sbom_licences", "licence = $6"),
    " AS l CROSS JOIN LATERAL (SELECT * FROM sbom_components AS t \
     WHERE t.document_id = l.document_id AND t.ordinal = l.ordinal OFFSET 0) AS c"
));

macro_rules! scopes {
    ($table:literal, $condition:literal) => {
        concat!(
            "WITH RECURSIVE found (scope_id) AS ((SELECT scope_id FROM ",
            $table,
            " WHERE scope_id > $1 AND ",
            $condition,
            " ORDER BY scope_id LIMIT 1) UNION ALL SELECT (SELECT t.scope_id FROM ",
            $table,
            " AS t WHERE t.scope_id > found.scope_id AND ",
            $condition,
            " ORDER BY t.scope_id LIMIT 1) FROM found WHERE found.scope_id IS NOT NULL) \
             SELECT s.id, s.kind, s.name FROM (SELECT scope_id FROM found WHERE scope_id IS NOT NULL LIMIT $2) AS first \
             JOIN sbom_scopes AS s ON s.id = first.scope_id ORDER BY s.id"
        )
    };
}

const SCOPES_BY_PACKAGE: &str = scopes!("sbom_components", "purl_name = $3 AND purl_type = $4 AND purl_namespace = $5");

const SCOPES_BY_NAME: &str = scopes!("sbom_components", "name_key = $3");

const SCOPES_BY_LICENCE: &str = scopes!("sbom_licences", "licence = $3");

#[derive(sqlx::FromRow)]
struct Row {
    scope_id: i64,
    document_id: i64,
    ordinal: i32,
    scope_kind: String,
    scope_name: String,
    key: String,
    subject: Vec<u8>,
    digest: Vec<u8>,
    manner: String,
    valid: bool,
    is_root: bool,
    kind: Option<String>,
    group: Option<String>,
    name: String,
    version: Option<String>,
    purl: Option<String>,
    licence: Option<String>,
}

impl Row {
    fn into_found(self) -> Result<FoundComponent> {
        Ok(FoundComponent {
            place: ComponentPlace { scope: self.scope_id, document: self.document_id, ordinal: self.ordinal },
            scope: SbomScope { kind: ScopeKind::parse(&self.scope_kind)?, name: self.scope_name },
            key: self.key,
            subject: to_digest(&self.subject)?,
            document: to_digest(&self.digest)?,
            manner: Manner::parse(&self.manner)
                .ok_or_else(|| Error::internal(format!("the index has a document carried as {:?}", self.manner)))?,
            valid: self.valid,
            is_root: self.is_root,
            kind: self.kind,
            group: self.group,
            name: self.name,
            version: self.version,
            purl: self.purl,
            licence: self.licence,
        })
    }
}

impl Index {
    /// The components that a query finds, in the scopes of these rows (unset: in all), behind a place.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn find_components(
        &self,
        query: &ComponentQuery,
        scopes: Option<&[i64]>,
        after: ComponentPlace,
        limit: u32,
    ) -> Result<ComponentPage> {
        let rows: Vec<Row> =
            self.fetch_all(|| bind(sqlx::query_as(statement(query)), query, scopes, after, limit)).await?;
        let (rows, truncated) = cut(rows, limit);
        let components = rows.into_iter().map(Row::into_found).collect::<Result<_>>()?;
        Ok(ComponentPage { components, truncated })
    }

    /// The scopes that have what a query names, whatever the version, with their rows, behind the row `after`: what is asked
    /// of policies before pages are read, so that no page is full of what may not be shown.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn component_scopes(
        &self,
        query: &ComponentQuery,
        after: i64,
        limit: u32,
    ) -> Result<Vec<(i64, SbomScope)>> {
        let statement = match query {
            ComponentQuery::Package { .. } => SCOPES_BY_PACKAGE,
            ComponentQuery::Name(_) => SCOPES_BY_NAME,
            ComponentQuery::Licence(_) => SCOPES_BY_LICENCE,
        };
        let rows: Vec<(i64, String, String)> = self
            .fetch_all(|| {
                let scopes = sqlx::query_as(statement).bind(after).bind(i64::from(limit));
                match query {
                    ComponentQuery::Name(text) | ComponentQuery::Licence(text) => scopes.bind(text.to_lowercase()),
                    ComponentQuery::Package { purl, .. } => {
                        scopes.bind(&purl.name).bind(&purl.kind).bind(purl.namespace.as_deref().unwrap_or_default())
                    }
                }
            })
            .await?;
        rows.into_iter().map(|(id, kind, name)| Ok((id, SbomScope { kind: ScopeKind::parse(&kind)?, name }))).collect()
    }
}

pub(super) const fn statement(query: &ComponentQuery) -> &'static str {
    match query {
        ComponentQuery::Package { version: Some(_), .. } => BY_VERSION,
        ComponentQuery::Package { version: None, .. } => BY_PACKAGE,
        ComponentQuery::Name(_) => BY_NAME,
        ComponentQuery::Licence(_) => BY_LICENCE,
    }
}

/// The arguments of a query's statement; one row more than asked for tells whether there are more.
pub(super) fn bind<'q, T>(
    page: Statement<'q, T>,
    query: &'q ComponentQuery,
    scopes: Option<&'q [i64]>,
    after: ComponentPlace,
    limit: u32,
) -> Statement<'q, T> {
    let page = page
        .bind(scopes)
        .bind(after.scope)
        .bind(after.document)
        .bind(after.ordinal)
        .bind(i64::from(limit) + i64::from(limit > 0));
    match query {
        ComponentQuery::Name(text) | ComponentQuery::Licence(text) => page.bind(text.to_lowercase()),
        ComponentQuery::Package { purl, versions, version } => {
            let page = page
                .bind(&purl.name)
                .bind(&purl.kind)
                .bind(purl.namespace.as_deref().unwrap_or_default())
                .bind(wanted_qualifiers(purl))
                .bind(&versions.from);
            match version {
                Some(version) => page.bind(version),
                None => page.bind(&versions.before),
            }
        }
    }
}

/// The qualifiers that a component must have.
fn wanted_qualifiers(purl: &Purl) -> Vec<String> {
    purl.qualifiers().split('&').filter(|pair| !pair.is_empty()).map(str::to_owned).collect()
}
