//! All that is believed, as of one instant: what a snapshot for checking signatures is made of.

use time::OffsetDateTime;

use super::{Index, SigningKeyState};
use crate::error::Result;

/// All that is believed, as of one instant.
#[derive(Debug, Clone, Default)]
pub struct TrustData {
    /// The number of changes so far.
    pub revision: i64,
    /// Whoever is believed, or was.
    pub entries: Vec<TrustEntry>,
}

/// Somebody who is believed, or was.
#[derive(Debug, Clone)]
pub struct TrustEntry {
    /// The name that policies know them by.
    pub name: String,
    /// Who they are.
    pub who: Trusted,
    /// From when on; unset: always.
    pub valid_from: Option<OffsetDateTime>,
    /// Until when; unset: for ever.
    pub valid_to: Option<OffsetDateTime>,
    /// Whether they are not believed for now.
    pub is_disabled: bool,
    /// Whether they are not believed any more.
    pub is_revoked: bool,
}

/// Who is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trusted {
    /// A generation of a key of ours: its number, and the public key in DER.
    SigningKey(i32, Vec<u8>),
    /// A key of somebody else's, in DER.
    Key(Vec<u8>),
    /// An identity: the issuer's URL, and a pattern of the subject.
    Identity(String, String),
}

/// One statement, so that all of it is of one instant.
const EVERYTHING: &str = "
    SELECT 'signing-key' AS what, name, generation, public_key, state, '' AS issuer, '' AS subject,
           valid_from, valid_to, 0::bigint AS revision
    FROM signing_keys
    UNION ALL
    SELECT 'key', name, 0, public_key, CASE WHEN revoked_at IS NULL THEN 'active' ELSE 'revoked' END, '', '',
           valid_from, valid_to, 0
    FROM trusted_keys
    UNION ALL
    SELECT 'identity', name, 0, ''::bytea, CASE WHEN revoked_at IS NULL THEN 'active' ELSE 'revoked' END, issuer, subject,
           valid_from, valid_to, 0
    FROM trusted_identities
    UNION ALL
    SELECT 'revision', '', 0, ''::bytea, '', '', '', NULL, NULL, revision FROM trust_revision";

#[derive(sqlx::FromRow)]
struct Row {
    what: String,
    name: String,
    generation: i32,
    public_key: Vec<u8>,
    state: String,
    issuer: String,
    subject: String,
    valid_from: Option<OffsetDateTime>,
    valid_to: Option<OffsetDateTime>,
    revision: i64,
}

impl Index {
    /// The number of changes of what is believed so far.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn trust_revision(&self) -> Result<i64> {
        let (revision,): (i64,) = self.fetch_one(|| sqlx::query_as("SELECT revision FROM trust_revision")).await?;
        Ok(revision)
    }

    /// All that is believed, as of one instant.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn trust_data(&self) -> Result<TrustData> {
        let rows: Vec<Row> = self.fetch_all(|| sqlx::query_as(EVERYTHING)).await?;
        let mut data = TrustData::default();
        for row in rows {
            let who = match row.what.as_str() {
                "revision" => {
                    data.revision = row.revision;
                    continue;
                }
                "signing-key" => Trusted::SigningKey(row.generation, row.public_key),
                "key" => Trusted::Key(row.public_key),
                _ => Trusted::Identity(row.issuer, row.subject),
            };
            let state = SigningKeyState::parse(&row.state);
            data.entries.push(TrustEntry {
                name: row.name,
                who,
                valid_from: row.valid_from,
                valid_to: row.valid_to,
                is_disabled: state == SigningKeyState::Disabled,
                is_revoked: state == SigningKeyState::Revoked,
            });
        }
        Ok(data)
    }
}
