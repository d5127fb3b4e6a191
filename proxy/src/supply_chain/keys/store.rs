//! [`SigningKeys`]: the private keys that the index keeps, sealed under the key ring.
//!
//! A name has generations, of which one signs. Rotated, the next one signs, and what the one before has signed is believed until its
//! overlap ends. What was disabled, rotated or revoked on another replica signs here no more once trust is as new as that; where nobody could
//! tell it, for five seconds at the most.

mod active;
mod heavy;

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;
use time::OffsetDateTime;
use zeroize::Zeroizing;

pub use active::ActiveKey;

use self::heavy::Heavy;
use super::{Algorithm, KeyPair, Usage};
use crate::audit::Record;
use crate::config::Secret;
use crate::error::{Code, Error, Result};
use crate::identity::{Seal, Sealed};
use crate::index::{Index, NewSigningKeyRow, NextSigningKeyRow, SigningKeyChange, SigningKeyState, StoredSigningKey};
use crate::supply_chain::trust::TrustStore;

/// How long an opened key may be old.
const FRESH: Duration = Duration::from_secs(5);

/// Opened keys that are remembered.
const REMEMBERED: u64 = 100;

/// Keys that are sealed anew by one round trip of reading.
const RESEAL_BATCH: u32 = 50;

/// Bytes of a password that a key is handed out under.
const PASSWORD_BYTES: std::ops::RangeInclusive<usize> = 8..=1024;

/// Where a private key comes from.
#[derive(Debug)]
pub enum Origin {
    /// It is made here.
    Generated(Algorithm),
    /// It was brought.
    Imported(KeyPair),
}

/// A key that somebody asks for.
#[derive(Debug)]
pub struct NewSigningKey {
    /// What policies will call it.
    pub name: String,
    /// What it may sign.
    pub usage: Usage,
    /// Where its first generation comes from.
    pub origin: Origin,
    /// Whether any of its generations may ever be handed out.
    pub exportable: bool,
    /// What it is for.
    pub description: String,
    /// Until when what its first generation signs is believed; unset: for ever.
    pub valid_to: Option<OffsetDateTime>,
    /// Who asks.
    pub created_by: String,
}

/// The keys of the index. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SigningKeys {
    index: Index,
    seal: Arc<dyn Seal>,
    active: Cache<String, Opened>,
    heavy: Heavy,
    trust: Option<TrustStore>,
}

/// A key that is remembered, and the revision of trust that was known when it began to be read.
#[derive(Debug, Clone)]
struct Opened {
    key: Arc<ActiveKey>,
    revision: i64,
}

impl SigningKeys {
    /// The keys of `index`, opened by `seal`. Nothing is asked yet.
    #[must_use]
    pub fn new(index: Index, seal: Arc<dyn Seal>) -> Self {
        let active = Cache::builder().max_capacity(REMEMBERED).time_to_live(FRESH).build();
        Self { index, seal, active, heavy: Heavy::default(), trust: None }
    }

    /// The same keys, remembered only as long as `trust` hears of no change.
    #[must_use]
    pub fn following(self, trust: TrustStore) -> Self {
        Self { trust: Some(trust), ..self }
    }

    /// The same keys, within the unit of another index. What is changed in it is known here at once, and undone where the unit is.
    #[must_use]
    pub fn within(&self, index: &Index) -> Self {
        Self { index: index.clone(), ..self.clone() }
    }

    /// Makes or takes in the first generation of a key.
    /// # Errors
    /// `InvalidArgument` with the field; `InvalidRequest`: the name is taken, or the key has one; `LimitExceeded`.
    pub async fn create(&self, new: NewSigningKey, audit: &[Record]) -> Result<StoredSigningKey> {
        check_name(&new.name)?;
        check_text("description", &new.description)?;
        check_end("valid_to", new.valid_to)?;
        let (pair, begins) = new.origin.into_pair()?;
        let sealed = self.seal(&pair, &new.name, 1)?;
        let key = row(&pair, &sealed, (begins, new.valid_to), &new.created_by);
        let row = NewSigningKeyRow {
            name: &new.name,
            usage: new.usage.as_str(),
            exportable: new.exportable,
            description: &new.description,
            key,
        };
        self.index.create_signing_key(row, audit).await?;
        self.read(&new.name, 1).await
    }

    /// Makes or takes in the next generation of a key, which signs from now on. What the one before has signed is believed until
    /// `overlap_ends`; unset: as long as before.
    /// # Errors
    /// `NoSuchEntity`; `PreconditionFailed`: somebody else has rotated it just now; `InvalidArgument`, `InvalidRequest`, `LimitExceeded`.
    pub async fn rotate(
        &self,
        name: &str,
        origin: Origin,
        overlap_ends: Option<OffsetDateTime>,
        valid_to: Option<OffsetDateTime>,
        created_by: &str,
        audit: &[Record],
    ) -> Result<StoredSigningKey> {
        check_end("valid_to", valid_to)?;
        let last = self.index.last_signing_key(name).await?.ok_or_else(no_such_key)?;
        let generation = last.generation.saturating_add(1);
        let (pair, begins) = origin.into_pair()?;
        let sealed = self.seal(&pair, name, generation)?;
        let key = row(&pair, &sealed, (begins, valid_to), created_by);
        self.index.rotate_signing_key(name, generation, key, overlap_ends, audit).await?;
        self.active.invalidate(name).await;
        self.read(name, generation).await
    }

    /// Changes a generation; `version` is the one that the caller has seen.
    /// # Errors
    /// As [`Index::change_signing_key`].
    pub async fn change(
        &self,
        name: &str,
        generation: i32,
        change: &SigningKeyChange,
        version: Option<i64>,
        audit: &[Record],
    ) -> Result<()> {
        if let SigningKeyChange::Disable(reason) | SigningKeyChange::Enable(reason) | SigningKeyChange::Revoke(reason) =
            change
        {
            check_text("reason", reason)?;
        }
        self.index.change_signing_key(name, generation, change, version, audit).await?;
        self.active.invalidate(name).await;
        Ok(())
    }

    /// A private key as cosign encrypts it, under a password of 8 to 1,024 bytes; on record before it is handed out.
    /// # Errors
    /// `NoSuchEntity`; `AccessDenied`: it was made so that it never leaves; `InvalidRequest`: it was revoked; `InvalidArgument`: the
    /// password; `SlowDown`: too many are at it.
    pub async fn export(
        &self,
        name: &str,
        generation: i32,
        password: Secret,
        audit: &[Record],
    ) -> Result<Zeroizing<String>> {
        if !PASSWORD_BYTES.contains(&password.expose().len()) {
            let message = "A key is handed out under a password of 8 to 1,024 bytes.";
            return Err(Error::new(Code::InvalidArgument, message).with("field", "password"));
        }
        let _turn = self.heavy.turn().await?;
        self.index.note_signing_key_export(name, generation, audit).await?;
        let pair = self.open(&self.read(name, generation).await?)?;
        heavy::run(move || pair.to_cosign_pem(password.expose().as_bytes())).await
    }

    /// Reads a private key that somebody brings: PKCS#8 in PEM, or as cosign encrypts it.
    /// # Errors
    /// `InvalidArgument`: it is none; `SlowDown`: too many are at it.
    pub async fn import(&self, pem: Zeroizing<String>, password: Secret) -> Result<KeyPair> {
        let _turn = self.heavy.turn().await?;
        heavy::run(move || KeyPair::from_pem(&pem, password.expose().as_bytes())).await
    }

    /// The generation of a name that signs now.
    /// # Errors
    /// `NoSuchEntity`; `InvalidRequest`: none of its generations signs; `IndexUnavailable`.
    pub async fn active(&self, name: &str) -> Result<Arc<ActiveKey>> {
        let key = self.opened(name).await?;
        key.check(OffsetDateTime::now_utc()).map(|()| key)
    }

    /// A key as it is remembered, unless whom we believe has changed since.
    async fn opened(&self, name: &str) -> Result<Arc<ActiveKey>> {
        // One that somebody has begun to read before the change is shared once more by those who come while it is read.
        for _ in 0..2 {
            let opened = self.remembered(name).await?;
            if opened.revision == self.revision() {
                return Ok(opened.key);
            }
            self.active.invalidate(name).await;
        }
        self.load(name).await.map(Arc::new)
    }

    async fn remembered(&self, name: &str) -> Result<Opened> {
        // Known before the key is read: at worst the key is newer.
        let revision = self.revision();
        let load = async { self.load(name).await.map(|key| Opened { key: Arc::new(key), revision }) };
        let opened = self.active.try_get_with_by_ref(name, load).await;
        // Shared by all who waited for it.
        opened.map_err(|error| Error::new(error.code(), error.message().to_owned()).detail(error.for_log()))
    }

    fn revision(&self) -> i64 {
        self.trust.as_ref().map_or(0, TrustStore::revision)
    }

    /// Reads a key anew when it is asked for next: behind the commit of a change, for within its unit another request may have read it as
    /// it was.
    pub async fn forget(&self, name: &str) {
        self.active.invalidate(name).await;
    }

    /// Seals every private key under the ring's current key that is sealed under another one; how many it were. Where it is cut off,
    /// the next call does the rest; where one cannot be opened, the others are sealed all the same.
    /// # Errors
    /// `IndexUnavailable`; `InternalError` after all others are done, with the names that could not be opened in the log.
    pub async fn reseal(&self) -> Result<u64> {
        let current = self.seal.current();
        let (mut after, mut done, mut failed) = ((String::new(), 0), 0, Vec::new());
        loop {
            let rows = self.index.signing_keys_sealed_otherwise(&current, (&after.0, after.1), RESEAL_BATCH).await?;
            let Some(last) = rows.last() else { break };
            after = (last.name.clone(), last.generation);
            for row in rows {
                let id = id(&row.name, row.generation);
                let opened = self.seal.open(&id, row.sealed.as_deref().unwrap_or_default()).map(Zeroizing::new);
                match opened.and_then(|private| self.seal.seal(&id, &private)) {
                    Ok(new) => {
                        done += u64::from(self.index.reseal_signing_key(&row, &new.bytes, &new.ring_key).await?);
                    }
                    Err(_) => failed.push(id),
                }
            }
        }
        if failed.is_empty() {
            return Ok(done);
        }
        Err(Error::internal(format!("signing keys that no key of the ring opens: {}", failed.join(", "))))
    }

    async fn load(&self, name: &str) -> Result<ActiveKey> {
        let Some(row) = self.index.active_signing_key(name).await? else {
            let known = self.index.last_signing_key(name).await?;
            return Err(known.map_or_else(no_such_key, |_| {
                Error::new(Code::InvalidRequest, "No generation of this signing key may sign: enable or rotate it.")
            }));
        };
        let pair = self.open(&row)?;
        ActiveKey::new(&row, Arc::new(pair))
    }

    fn seal(&self, pair: &KeyPair, name: &str, generation: i32) -> Result<Sealed> {
        self.seal.seal(&id(name, generation), &pair.to_pkcs8()?)
    }

    /// Opens a private key; one that does not belong to the row's public key is no key of ours.
    fn open(&self, row: &StoredSigningKey) -> Result<KeyPair> {
        let id = id(&row.name, row.generation);
        let sealed = row.sealed.as_deref().ok_or_else(no_such_key)?;
        let private = Zeroizing::new(self.seal.open(&id, sealed)?);
        let pair = KeyPair::from_pkcs8(&private).map_err(|error| Error::internal(format!("{id}: {error}")))?;
        if pair.public().der() == row.public_key {
            return Ok(pair);
        }
        Err(Error::internal(format!("the private key of {id} is not that of its public key")))
    }

    async fn read(&self, name: &str, generation: i32) -> Result<StoredSigningKey> {
        self.index.signing_key(name, generation).await?.ok_or_else(no_such_key)
    }
}

impl Origin {
    /// The key, and before when it cannot have signed anything.
    fn into_pair(self) -> Result<(KeyPair, Option<OffsetDateTime>)> {
        match self {
            Self::Generated(algorithm) => Ok((KeyPair::generate(algorithm)?, Some(OffsetDateTime::now_utc()))),
            Self::Imported(pair) => Ok((pair, None)),
        }
    }
}

/// What a private key is sealed with: one that is moved to another row does not open.
fn id(name: &str, generation: i32) -> String {
    format!("signing-key/{name}/{generation}")
}

fn row<'a>(
    pair: &'a KeyPair,
    sealed: &'a Sealed,
    (valid_from, valid_to): (Option<OffsetDateTime>, Option<OffsetDateTime>),
    created_by: &'a str,
) -> NextSigningKeyRow<'a> {
    NextSigningKeyRow {
        algorithm: pair.public().algorithm().as_str(),
        sealed: &sealed.bytes,
        ring_key: &sealed.ring_key,
        public_key: pair.public().der(),
        valid_from,
        valid_to,
        created_by,
    }
}

fn no_such_key() -> Error {
    Error::new(Code::NoSuchEntity, "There is no such signing key.")
}

/// Refuses what cannot be the name of a signer.
///
/// # Errors
/// `InvalidArgument`.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let is_end = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_middle = |byte: u8| is_end(byte) || b"._-".contains(&byte);
    let ends =
        name.as_bytes().first().copied().is_some_and(is_end) && name.as_bytes().last().copied().is_some_and(is_end);
    if ends && name.len() <= 128 && name.bytes().all(is_middle) {
        return Ok(());
    }
    let message = "A name has 1 to 128 lower-case letters, digits, dots, dashes and underscores, and a letter or digit at both ends.";
    Err(Error::new(Code::InvalidArgument, message).with("field", "name"))
}

fn check_text(field: &'static str, text: &str) -> Result<()> {
    if text.len() <= 1024 && !text.chars().any(char::is_control) {
        return Ok(());
    }
    let message = format!("{field} must have at most 1,024 bytes, and no control characters.");
    Err(Error::new(Code::InvalidArgument, message).with("field", field))
}

fn check_end(field: &'static str, end: Option<OffsetDateTime>) -> Result<()> {
    if end.is_none_or(|end| end > OffsetDateTime::now_utc()) {
        return Ok(());
    }
    Err(Error::new(Code::InvalidArgument, format!("{field} must be in the future.")).with("field", field))
}
