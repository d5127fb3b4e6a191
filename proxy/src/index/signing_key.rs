//! Keys that we sign with. The rule that one generation of a name signs stands in `migrations/0017_signing_keys.sql`; private keys are
//! sealed before they come here and opened behind it (`supply_chain/keys/store.rs`).

use time::OffsetDateTime;

use super::Index;
use super::audited::audited;
use super::list::cut;
use crate::audit::Record;
use crate::error::{Code, Error, Result};

/// What may be done with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SigningKeyState {
    /// It signs: one generation of a name.
    Active,
    /// It signs no more; what it has signed is believed until its end.
    Retiring,
    /// Neither, until it is enabled.
    Disabled,
    /// Never again.
    Revoked,
}

impl SigningKeyState {
    /// As the index and REST have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Disabled => "disabled",
            Self::Revoked => "revoked",
        }
    }

    /// A state that is not known is the last one: then nothing is done with the key.
    pub(super) fn parse(text: &str) -> Self {
        let all = [Self::Active, Self::Retiring, Self::Disabled];
        all.into_iter().find(|state| state.as_str() == text).unwrap_or(Self::Revoked)
    }
}

/// A generation of a key.
#[derive(Debug, Clone)]
pub struct StoredSigningKey {
    /// The name that policies know it by.
    pub name: String,
    /// Which key of this name it is, from 1 on.
    pub generation: i32,
    /// What it may sign, as `Usage` names it.
    pub usage: String,
    /// What kind of key it is, as `Algorithm` names it.
    pub algorithm: String,
    /// What may be done with it.
    pub state: SigningKeyState,
    /// Why it was disabled, enabled or revoked.
    pub reason: String,
    /// The private key, sealed; a revoked one has none.
    pub sealed: Option<Vec<u8>>,
    /// The key of the ring that it is sealed under.
    pub ring_key: Option<String>,
    /// The public key in DER.
    pub public_key: Vec<u8>,
    /// Whether the private key may be handed out.
    pub exportable: bool,
    /// What it is for.
    pub description: String,
    /// From when on it signs; unset: it was brought, and may have signed before.
    pub valid_from: Option<OffsetDateTime>,
    /// Until when what it has signed is believed.
    pub valid_to: Option<OffsetDateTime>,
    /// When it was made or brought.
    pub created_at: OffsetDateTime,
    /// By whom.
    pub created_by: String,
    /// When it was handed out last.
    pub exported_at: Option<OffsetDateTime>,
    /// Grows with every change; the ETag.
    pub version: i64,
}

/// A key to be made; the fields are those of [`StoredSigningKey`].
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "each field is described at the row of the same name")]
pub struct NewSigningKeyRow<'a> {
    pub name: &'a str,
    pub usage: &'a str,
    pub exportable: bool,
    pub description: &'a str,
    pub key: NextSigningKeyRow<'a>,
}

/// A generation to be made; the fields are those of [`StoredSigningKey`].
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "each field is described at the row of the same name")]
pub struct NextSigningKeyRow<'a> {
    pub algorithm: &'a str,
    pub sealed: &'a [u8],
    pub ring_key: &'a str,
    pub public_key: &'a [u8],
    pub valid_from: Option<OffsetDateTime>,
    pub valid_to: Option<OffsetDateTime>,
    pub created_by: &'a str,
}

/// What becomes of a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SigningKeyChange {
    /// It neither signs nor is it believed, until it is enabled. Why.
    Disable(String),
    /// It is what it was; a generation that others have followed does not sign again. Why.
    Enable(String),
    /// It is gone for good, and so is what it has signed. Why.
    Revoke(String),
    /// It is believed until then; unset: for ever.
    Expire(Option<OffsetDateTime>),
}

/// A page of generations in the order of their names and numbers.
#[derive(Debug, Clone)]
pub struct SigningKeyPage {
    /// The generations.
    pub keys: Vec<StoredSigningKey>,
    /// Whether there are more behind the last.
    pub truncated: bool,
}

const CREATE: &str = audited!(12, "SELECT create_signing_key($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) AS status");
const ROTATE: &str = audited!(11, "SELECT rotate_signing_key($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) AS status");
const CHANGE: &str = audited!(7, "SELECT set_signing_key($1, $2, $3, $4, $5, $6) AS status");
const EXPORT: &str = audited!(3, "SELECT note_signing_key_export($1, $2) AS status");
const ONE: &str = "SELECT * FROM signing_keys WHERE name = $1 AND generation = $2";
const ACTIVE: &str = "SELECT * FROM signing_keys WHERE name = $1 AND state = 'active'";
const LAST: &str = "SELECT * FROM signing_keys WHERE name = $1 ORDER BY generation DESC LIMIT 1";
const ALL: &str = "SELECT * FROM signing_keys WHERE (name, generation) > ($1, $2) ORDER BY name, generation LIMIT $3";
const SEALED_OTHERWISE: &str = "
    SELECT * FROM signing_keys WHERE ring_key <> $4 AND (name, generation) > ($1, $2)
    ORDER BY name, generation LIMIT $3";
const RESEAL: &str = "
    UPDATE signing_keys SET private_key = $4, ring_key = $5
    WHERE name = $1 AND generation = $2 AND private_key = $3 RETURNING name";

#[derive(sqlx::FromRow)]
struct Row {
    name: String,
    generation: i32,
    usage: String,
    algorithm: String,
    state: String,
    reason: String,
    private_key: Option<Vec<u8>>,
    ring_key: Option<String>,
    public_key: Vec<u8>,
    exportable: bool,
    description: String,
    valid_from: Option<OffsetDateTime>,
    valid_to: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
    created_by: String,
    exported_at: Option<OffsetDateTime>,
    version: i64,
}

impl From<Row> for StoredSigningKey {
    fn from(row: Row) -> Self {
        Self {
            name: row.name,
            generation: row.generation,
            usage: row.usage,
            algorithm: row.algorithm,
            state: SigningKeyState::parse(&row.state),
            reason: row.reason,
            sealed: row.private_key,
            ring_key: row.ring_key,
            public_key: row.public_key,
            exportable: row.exportable,
            description: row.description,
            valid_from: row.valid_from,
            valid_to: row.valid_to,
            created_at: row.created_at,
            created_by: row.created_by,
            exported_at: row.exported_at,
            version: row.version,
        }
    }
}

impl Index {
    /// Makes the first generation of a name.
    /// # Errors
    /// `InvalidRequest`: the name is taken, or the key has one; `LimitExceeded`: there are 500 generations.
    pub async fn create_signing_key(&self, new: NewSigningKeyRow<'_>, audit: &[Record]) -> Result<()> {
        let records = self.canonical(audit);
        let (status,): (String,) = self
            .fetch_one(|| {
                sqlx::query_as(CREATE)
                    .bind(new.name)
                    .bind(new.usage)
                    .bind(new.key.algorithm)
                    .bind(new.key.sealed)
                    .bind(new.key.ring_key)
                    .bind(new.key.public_key)
                    .bind(new.exportable)
                    .bind(new.description)
                    .bind(new.key.valid_from)
                    .bind(new.key.valid_to)
                    .bind(new.key.created_by)
                    .bind(&records)
            })
            .await?;
        check(&status)
    }

    /// Makes the next generation of a name, which signs from now on. `generation` is its number: one more than the last that the caller
    /// has seen. What the generation before has signed is believed until `overlap_ends`; unset: as long as before.
    /// # Errors
    /// `NoSuchEntity`; `PreconditionFailed`: there is such a generation; `InvalidRequest`: the key has a name; `LimitExceeded`.
    pub async fn rotate_signing_key(
        &self,
        name: &str,
        generation: i32,
        next: NextSigningKeyRow<'_>,
        overlap_ends: Option<OffsetDateTime>,
        audit: &[Record],
    ) -> Result<()> {
        let records = self.canonical(audit);
        let (status,): (String,) = self
            .fetch_one(|| {
                sqlx::query_as(ROTATE)
                    .bind(name)
                    .bind(generation)
                    .bind(next.algorithm)
                    .bind(next.sealed)
                    .bind(next.ring_key)
                    .bind(next.public_key)
                    .bind(overlap_ends)
                    .bind(next.valid_from)
                    .bind(next.valid_to)
                    .bind(next.created_by)
                    .bind(&records)
            })
            .await?;
        check(&status)
    }

    /// Changes a generation; `version` is the one that the caller has seen.
    /// # Errors
    /// `NoSuchEntity`, `PreconditionFailed`; `InvalidRequest`: it was revoked; `InvalidArgument`: it would end before it begins.
    pub async fn change_signing_key(
        &self,
        name: &str,
        generation: i32,
        change: &SigningKeyChange,
        version: Option<i64>,
        audit: &[Record],
    ) -> Result<()> {
        let records = self.canonical(audit);
        let (what, end, reason) = match change {
            SigningKeyChange::Disable(reason) => ("disable", None, reason.as_str()),
            SigningKeyChange::Enable(reason) => ("enable", None, reason.as_str()),
            SigningKeyChange::Revoke(reason) => ("revoke", None, reason.as_str()),
            SigningKeyChange::Expire(end) => ("expire", *end, ""),
        };
        let (status,): (String,) = self
            .fetch_one(|| {
                sqlx::query_as(CHANGE)
                    .bind(name)
                    .bind(generation)
                    .bind(what)
                    .bind(end)
                    .bind(reason)
                    .bind(version)
                    .bind(&records)
            })
            .await?;
        check(&status)
    }

    /// Notes that a private key is about to be handed out.
    /// # Errors
    /// `NoSuchEntity`; `AccessDenied`: it was made so that it never is; `InvalidRequest`: it was revoked.
    pub async fn note_signing_key_export(&self, name: &str, generation: i32, audit: &[Record]) -> Result<()> {
        let records = self.canonical(audit);
        let (status,): (String,) =
            self.fetch_one(|| sqlx::query_as(EXPORT).bind(name).bind(generation).bind(&records)).await?;
        check(&status)
    }

    /// One generation.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn signing_key(&self, name: &str, generation: i32) -> Result<Option<StoredSigningKey>> {
        let row: Option<Row> = self.fetch_optional(|| sqlx::query_as(ONE).bind(name).bind(generation)).await?;
        Ok(row.map(StoredSigningKey::from))
    }

    /// The generation of a name that signs.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn active_signing_key(&self, name: &str) -> Result<Option<StoredSigningKey>> {
        let row: Option<Row> = self.fetch_optional(|| sqlx::query_as(ACTIVE).bind(name)).await?;
        Ok(row.map(StoredSigningKey::from))
    }

    /// The last generation of a name, whatever became of it.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn last_signing_key(&self, name: &str) -> Result<Option<StoredSigningKey>> {
        let row: Option<Row> = self.fetch_optional(|| sqlx::query_as(LAST).bind(name)).await?;
        Ok(row.map(StoredSigningKey::from))
    }

    /// Generations behind the one of this name and number.
    /// # Errors
    /// `IndexUnavailable`.
    pub async fn signing_keys(&self, after: (&str, i32), limit: u32) -> Result<SigningKeyPage> {
        // One more than wanted tells whether there are more.
        let more = i64::from(limit) + 1;
        let rows: Vec<Row> = self.fetch_all(|| sqlx::query_as(ALL).bind(after.0).bind(after.1).bind(more)).await?;
        let (keys, truncated) = cut(rows.into_iter().map(StoredSigningKey::from).collect(), limit);
        Ok(SigningKeyPage { keys, truncated })
    }

    /// Generations behind `after` that are sealed under another key of the ring than `ring_key`.
    pub(crate) async fn signing_keys_sealed_otherwise(
        &self,
        ring_key: &str,
        after: (&str, i32),
        limit: u32,
    ) -> Result<Vec<StoredSigningKey>> {
        let limit = i64::from(limit);
        let rows: Vec<Row> = self
            .fetch_all(|| sqlx::query_as(SEALED_OTHERWISE).bind(after.0).bind(after.1).bind(limit).bind(ring_key))
            .await?;
        Ok(rows.into_iter().map(StoredSigningKey::from).collect())
    }

    /// Puts a private key that was sealed anew in the place of the one that was read; false where another has been faster.
    pub(crate) async fn reseal_signing_key(&self, key: &StoredSigningKey, new: &[u8], ring_key: &str) -> Result<bool> {
        let (name, generation, old) = (&key.name, key.generation, key.sealed.as_deref());
        let row: Option<(String,)> = self
            .fetch_optional(|| sqlx::query_as(RESEAL).bind(name).bind(generation).bind(old).bind(new).bind(ring_key))
            .await?;
        Ok(row.is_some())
    }
}

/// Turns the status of one of the functions for signing keys into a result.
fn check(status: &str) -> Result<()> {
    Err(match status {
        "ok" => return Ok(()),
        "NoSuchSigningKey" => Error::new(Code::NoSuchEntity, "There is no such signing key."),
        "PreconditionFailed" => Code::PreconditionFailed.into(),
        "SigningKeyExists" => Error::new(Code::InvalidRequest, "There is a signing key of this name: rotate it."),
        "KeyInUse" => Error::new(Code::InvalidRequest, "This key has a name already, and a key has one."),
        "TooManySigningKeys" => Error::new(Code::LimitExceeded, "There are 500 generations of signing keys."),
        "SigningKeyRevoked" => Error::new(Code::InvalidRequest, "The signing key was revoked, which is for good."),
        "SigningKeyNotExportable" => {
            Error::new(Code::AccessDenied, "The signing key was made so that it never leaves this service.")
        }
        "ValidityEndsBeforeItBegins" => {
            Error::new(Code::InvalidArgument, "The signing key would end before it begins.").with("field", "valid_to")
        }
        other => Error::internal(format!("the index answered with the unknown status {other:?}")),
    })
}
