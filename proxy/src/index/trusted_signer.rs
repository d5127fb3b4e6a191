//! Whose signatures are believed: keys of others, and identities that an issuer vouches for.
//!
//! What does not live here: all of it at once (`trust`), and what it means to be believed (`supply_chain/verify`).

use time::OffsetDateTime;

use super::Index;
use super::audited::audited;
use super::list::cut;
use crate::audit::Record;
use crate::error::{Code, Error, Result};

/// A key of somebody else's, or somebody whom an issuer vouches for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TrustedSigner {
    /// A key: its SHA-256 in hex. Of a new one, the key itself in DER is given beside it.
    Key(String),
    /// An identity: the issuer's URL, and a pattern of the subject.
    Identity(String, String),
}

/// A trusted signer's row.
#[derive(Debug, Clone)]
pub struct StoredTrustedSigner {
    /// The name that policies know it by; several signers may have it.
    pub name: String,
    /// Who it is.
    pub signer: TrustedSigner,
    /// The public key in DER; of an identity, nothing.
    pub public_key: Vec<u8>,
    /// Who that is.
    pub description: String,
    /// From when on it is believed; unset: always.
    pub valid_from: Option<OffsetDateTime>,
    /// Until when; unset: for ever.
    pub valid_to: Option<OffsetDateTime>,
    /// Since when it is not believed at all.
    pub revoked_at: Option<OffsetDateTime>,
    /// Why.
    pub reason: String,
    /// When it was added.
    pub created_at: OffsetDateTime,
    /// By whom.
    pub created_by: String,
    /// Grows with every change; the ETag.
    pub version: i64,
}

/// A signer to be believed; the fields are those of [`StoredTrustedSigner`].
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "each field is described at the row of the same name")]
pub struct NewTrustedSigner<'a> {
    pub name: &'a str,
    pub signer: &'a TrustedSigner,
    pub public_key: &'a [u8],
    pub description: &'a str,
    pub valid_from: Option<OffsetDateTime>,
    pub valid_to: Option<OffsetDateTime>,
    pub created_by: &'a str,
}

/// What becomes of a trusted signer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustedSignerChange {
    /// It is believed from then on, until then.
    Validity(Option<OffsetDateTime>, Option<OffsetDateTime>),
    /// It is no longer believed, and reports say so. Why.
    Revoke(String),
    /// It is not known any more.
    Delete,
}

/// A page of trusted signers in the order of their names.
#[derive(Debug, Clone)]
pub struct TrustedSignerPage {
    /// The signers.
    pub signers: Vec<StoredTrustedSigner>,
    /// Whether there are more behind the last.
    pub truncated: bool,
}

const ADD_KEY: &str = audited!(8, "SELECT add_trusted_key($1, $2, $3, $4, $5, $6, $7) AS status");
const ADD_IDENTITY: &str = audited!(8, "SELECT add_trusted_identity($1, $2, $3, $4, $5, $6, $7) AS status");
const SET_KEY: &str = audited!(8, "SELECT set_trusted_key($1, $2, $3, $4, $5, $6, $7) AS status");
const SET_IDENTITY: &str = audited!(9, "SELECT set_trusted_identity($1, $2, $3, $4, $5, $6, $7, $8) AS status");

/// Keys and identities in one form: an identity has no key, and a key no issuer.
macro_rules! signers {
    ($behind:literal) => {
        concat!(
            "SELECT * FROM (
                SELECT name, fingerprint, '' AS issuer, '' AS subject, public_key, description, valid_from, valid_to,
                       revoked_at, reason, created_at, created_by, version FROM trusted_keys
                UNION ALL
                SELECT name, '', issuer, subject, ''::bytea, description, valid_from, valid_to,
                       revoked_at, reason, created_at, created_by, version FROM trusted_identities
            ) AS signers ",
            $behind
        )
    };
}

const ALL: &str = signers!(
    "WHERE (name, fingerprint, issuer, subject) > ($1, $2, $3, $4) ORDER BY name, fingerprint, issuer, subject LIMIT $5"
);
const OF_KIND: &str = signers!(
    "WHERE (name, fingerprint, issuer, subject) > ($1, $2, $3, $4) AND (fingerprint <> '') = $6
    ORDER BY name, fingerprint, issuer, subject LIMIT $5"
);
const OF_NAME: &str = signers!("WHERE name = $1 ORDER BY fingerprint, issuer, subject");

#[derive(sqlx::FromRow)]
struct Row {
    name: String,
    fingerprint: String,
    issuer: String,
    subject: String,
    public_key: Vec<u8>,
    description: String,
    valid_from: Option<OffsetDateTime>,
    valid_to: Option<OffsetDateTime>,
    revoked_at: Option<OffsetDateTime>,
    reason: String,
    created_at: OffsetDateTime,
    created_by: String,
    version: i64,
}

impl From<Row> for StoredTrustedSigner {
    fn from(row: Row) -> Self {
        let signer = if row.fingerprint.is_empty() {
            TrustedSigner::Identity(row.issuer, row.subject)
        } else {
            TrustedSigner::Key(row.fingerprint)
        };
        Self {
            name: row.name,
            signer,
            public_key: row.public_key,
            description: row.description,
            valid_from: row.valid_from,
            valid_to: row.valid_to,
            revoked_at: row.revoked_at,
            reason: row.reason,
            created_at: row.created_at,
            created_by: row.created_by,
            version: row.version,
        }
    }
}

impl TrustedSigner {
    /// Fingerprint, issuer and subject: what it has not is empty.
    fn columns(&self) -> (&str, &str, &str) {
        match self {
            Self::Key(fingerprint) => (fingerprint, "", ""),
            Self::Identity(issuer, subject) => ("", issuer, subject),
        }
    }
}

impl Index {
    /// Believes a signer.
    /// # Errors
    /// `InvalidRequest`: it is known already, a key under whatever name; `LimitExceeded`: there are 500 of its kind.
    pub async fn add_trusted_signer(&self, new: NewTrustedSigner<'_>, audit: &[Record]) -> Result<()> {
        let records = self.canonical(audit);
        let (status,): (String,) = self
            .fetch_one(|| {
                let added = match new.signer {
                    TrustedSigner::Key(fingerprint) => {
                        sqlx::query_as(ADD_KEY).bind(new.name).bind(fingerprint).bind(new.public_key)
                    }
                    TrustedSigner::Identity(issuer, subject) => {
                        sqlx::query_as(ADD_IDENTITY).bind(new.name).bind(issuer).bind(subject)
                    }
                };
                let added = added.bind(new.description).bind(new.valid_from).bind(new.valid_to);
                added.bind(new.created_by).bind(&records)
            })
            .await?;
        check(&status)
    }

    /// Changes a trusted signer; `version` is the one that the caller has seen.
    /// # Errors
    /// `NoSuchEntity`, `PreconditionFailed`.
    pub async fn change_trusted_signer(
        &self,
        name: &str,
        signer: &TrustedSigner,
        change: &TrustedSignerChange,
        version: Option<i64>,
        audit: &[Record],
    ) -> Result<()> {
        let records = self.canonical(audit);
        let (what, from, to, reason) = match change {
            TrustedSignerChange::Validity(from, to) => ("validity", *from, *to, ""),
            TrustedSignerChange::Revoke(reason) => ("revoke", None, None, reason.as_str()),
            TrustedSignerChange::Delete => ("delete", None, None, ""),
        };
        let (status,): (String,) = self
            .fetch_one(|| {
                let changed = match signer {
                    TrustedSigner::Key(fingerprint) => sqlx::query_as(SET_KEY).bind(name).bind(fingerprint),
                    TrustedSigner::Identity(issuer, subject) => {
                        sqlx::query_as(SET_IDENTITY).bind(name).bind(issuer).bind(subject)
                    }
                };
                changed.bind(what).bind(from).bind(to).bind(reason).bind(version).bind(&records)
            })
            .await?;
        check(&status)
    }

    /// Every signer of a name.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn trusted_signers_of(&self, name: &str) -> Result<Vec<StoredTrustedSigner>> {
        let rows: Vec<Row> = self.fetch_all(|| sqlx::query_as(OF_NAME).bind(name)).await?;
        Ok(rows.into_iter().map(StoredTrustedSigner::from).collect())
    }

    /// Keys alone, or identities alone, behind the one of this name.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn trusted_signers_of_kind(
        &self,
        are_keys: bool,
        after: Option<(&str, &TrustedSigner)>,
        limit: u32,
    ) -> Result<TrustedSignerPage> {
        let (name, (fingerprint, issuer, subject)) =
            after.map_or(("", ("", "", "")), |(name, signer)| (name, signer.columns()));
        let more = i64::from(limit) + 1;
        let rows: Vec<Row> = self
            .fetch_all(|| {
                let query = sqlx::query_as(OF_KIND).bind(name).bind(fingerprint).bind(issuer).bind(subject);
                query.bind(more).bind(are_keys)
            })
            .await?;
        let (signers, truncated) = cut(rows.into_iter().map(StoredTrustedSigner::from).collect(), limit);
        Ok(TrustedSignerPage { signers, truncated })
    }

    /// Signers behind the one of this name, or all of them.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn trusted_signers(
        &self,
        after: Option<(&str, &TrustedSigner)>,
        limit: u32,
    ) -> Result<TrustedSignerPage> {
        let (name, (fingerprint, issuer, subject)) =
            after.map_or(("", ("", "", "")), |(name, signer)| (name, signer.columns()));
        // One more than wanted tells whether there are more.
        let more = i64::from(limit) + 1;
        let rows: Vec<Row> = self
            .fetch_all(|| sqlx::query_as(ALL).bind(name).bind(fingerprint).bind(issuer).bind(subject).bind(more))
            .await?;
        let (signers, truncated) = cut(rows.into_iter().map(StoredTrustedSigner::from).collect(), limit);
        Ok(TrustedSignerPage { signers, truncated })
    }
}

/// Turns the status of one of the functions for trusted signers into a result.
fn check(status: &str) -> Result<()> {
    Err(match status {
        "ok" => return Ok(()),
        "NoSuchTrustedSigner" => Error::new(Code::NoSuchEntity, "There is no such trusted signer."),
        "PreconditionFailed" => Code::PreconditionFailed.into(),
        "KeyInUse" => Error::new(Code::InvalidRequest, "This key is trusted already, and a key has one name."),
        "IdentityExists" => Error::new(Code::InvalidRequest, "This identity is trusted already under this name."),
        "TooManyTrustedSigners" => Error::new(Code::LimitExceeded, "There are 500 trusted signers of this kind."),
        "ValidityEndsBeforeItBegins" => {
            Error::new(Code::InvalidArgument, "The signer would end before it begins.").with("field", "valid_to")
        }
        other => Error::internal(format!("the index answered with the unknown status {other:?}")),
    })
}
