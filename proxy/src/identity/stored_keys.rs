//! Access keys that people and service accounts made for themselves: found by id, issued, rotated, sealed anew.
//!
//! A key that was asked for within the last five seconds costs no round trip. What is remembered is never older than that, and the
//! feed of changes makes it younger: a key that was disabled opens nothing after five seconds, on any replica, whatever
//! happens to the feed.
//! What does not live here: the rows (`index`), who may make keys (`authz`), the keys of the configuration (`access_keys.rs`).

mod uses;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use moka::future::Cache;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use zas_policy::{Identity, Kind, Policy, Principal};

use self::uses::Uses;
use crate::audit::Record;
use crate::config::Secret;
use crate::error::{Code, Error, Result};
use crate::index::notify::{self, Notice, Subscription};
use crate::index::{AccountKind, Index, NewAccessKey, NextAccessKey, StoredAccessKey};

/// How long what the index said holds.
const FRESH: Duration = Duration::from_secs(5);

/// How long an id that the index does not know is not asked for again.
const UNKNOWN_FOR: Duration = Duration::from_secs(2);

/// How long a person is taken to have keys that follow.
const FOLLOWED_FOR: Duration = Duration::from_secs(300);

/// Keys that are remembered, and as many ids that there are not. Apart, so that guesses cannot push keys out.
const REMEMBERED: u64 = 10_000;

/// What ids begin with; nobody else's do, so that a scanner for leaked secrets can tell whose they are.
const PREFIX: &str = "ZASK";

/// Characters of an id, the prefix included, as AWS has it.
const ID_LENGTH: usize = 20;

/// Keys that are sealed anew by one round trip of reading.
const RESEAL_BATCH: u32 = 100;

/// What seals secrets at rest.
pub trait Seal: fmt::Debug + Send + Sync {
    /// Seals `secret`, bound to the access key id `id`.
    /// # Errors
    /// A fault of the key ring.
    fn seal(&self, id: &str, secret: &[u8]) -> Result<Sealed>;

    /// Opens what [`Seal::seal`] has sealed for the same id.
    /// # Errors
    /// It was sealed for another id, under a key that is gone, or was changed.
    fn open(&self, id: &str, sealed: &[u8]) -> Result<Vec<u8>>;

    /// The id of the key that [`Seal::seal`] uses now.
    fn current(&self) -> String;
}

/// A sealed secret.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// The sealed bytes.
    pub bytes: Vec<u8>,
    /// The id of the ring's key that sealed them.
    pub ring_key: String,
}

/// A key as requests need it.
#[derive(Debug, Clone)]
pub struct Key {
    /// The secret: what S3 signatures are made with.
    pub secret: Secret,
    /// Who it speaks as. A policy of the key's own narrows it: it never has more than its account.
    pub principal: Principal,
    /// From when on it is no longer good.
    pub expires_at: Option<OffsetDateTime>,
}

/// A key that somebody asks for.
#[derive(Debug, Clone, Default)]
pub struct NewKey {
    /// The person it is for, or who answers for the service account: an identity's id.
    pub owner: String,
    /// The service account that gets a key: the `account` of an earlier one, or `new`; unset: the person.
    pub service_account: Option<ServiceAccount>,
    /// What policies call the account.
    pub name: String,
    /// The person's issuer; empty for a service account.
    pub issuer: String,
    /// What it is for.
    pub description: String,
    /// Roles that it has.
    pub roles: Vec<String>,
    /// Groups that it is in.
    pub groups: Vec<String>,
    /// A policy document that narrows it.
    pub policy: Option<String>,
    /// Who asks.
    pub created_by: String,
    /// From when on it is no longer good.
    pub expires_at: Option<OffsetDateTime>,
}

/// Which service account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceAccount {
    /// One that this key begins.
    New,
    /// One that is there, by its `account`.
    Known(String),
}

/// A key that was just made. The only time that its secret is shown.
#[derive(Debug, Clone)]
pub struct Issued {
    /// Its row.
    pub key: StoredAccessKey,
    /// The secret.
    pub secret: Secret,
}

/// What is remembered of a key.
#[derive(Debug)]
struct Known {
    key: Arc<Key>,
    is_disabled: bool,
    /// When the index was asked: what it said is at least as young.
    asked: Instant,
}

/// Why a key was not found.
#[derive(Debug)]
enum Miss {
    Unknown,
    Failed(Error),
}

/// The keys of the index. Cheap to clone.
#[derive(Debug, Clone)]
pub struct StoredKeys {
    index: Index,
    seal: Arc<dyn Seal>,
    known: Cache<String, Arc<Known>>,
    unknown: Cache<String, ()>,
    fresh: Duration,
    uses: Arc<Uses>,
    /// What people were last seen with, by their ids, and when that token was issued.
    followed: moka::sync::Cache<String, (u64, i64)>,
    hasher: RandomState,
}

impl StoredKeys {
    /// The keys of `index`, opened by `seal`. Nothing is asked yet.
    #[must_use]
    pub fn new(index: Index, seal: Arc<dyn Seal>) -> Self {
        Self::with_freshness(index, seal, FRESH)
    }

    fn with_freshness(index: Index, seal: Arc<dyn Seal>, fresh: Duration) -> Self {
        let known = Cache::builder().max_capacity(REMEMBERED).time_to_live(fresh).build();
        let followed = moka::sync::Cache::builder().max_capacity(REMEMBERED).time_to_live(FOLLOWED_FOR).build();
        let unknown = Cache::builder().max_capacity(REMEMBERED).time_to_live(UNKNOWN_FOR).build();
        Self { index, seal, known, unknown, fresh, uses: Arc::default(), followed, hasher: RandomState::new() }
    }

    /// The same keys, changed within the unit that `index` belongs to.
    #[must_use]
    pub fn within(&self, index: &Index) -> Self {
        Self { index: index.clone(), ..self.clone() }
    }

    /// Follows the feed and notes when keys are used, until `stop`. Without it keys are found all the same.
    pub async fn run(&self, mut feed: Subscription, stop: CancellationToken) {
        let following = async {
            while let Some(notice) = feed.next().await {
                self.hear(notice).await;
            }
            // The feed has ended: what is remembered still is no older than `fresh`.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = following => {}
            () = self.uses.write(&self.index) => {}
            () = stop.cancelled() => {}
        }
    }

    /// Asks the index the next time that a key is looked for: it was changed here.
    pub async fn forget(&self, id: &str) {
        self.known.invalidate(id).await;
        self.unknown.invalidate(id).await;
    }

    /// Gives the keys of a person the name, roles and groups of the token that the person has just shown, issued at `issued_at`
    /// (seconds since 1970). Whoever has shown the same before costs nothing; a later token is asked about, for the keys may have lost
    /// something since. What goes wrong is tried again with the next token.
    pub async fn follow(&self, identity: &Identity, issued_at: i64) {
        let Identity { id, name, roles, groups, .. } = identity;
        let seen = self.hasher.hash_one((name, roles, groups));
        if self.followed.get(id).is_some_and(|(known, at)| known == seen && issued_at <= at) {
            return;
        }
        match self.index.follow_person(id, name, roles, groups, issued_at).await {
            Ok(changed) => {
                self.followed.insert(id.clone(), (seen, issued_at));
                for key in changed {
                    self.forget(&key).await;
                }
            }
            Err(error) => tracing::warn!("a person's access keys keep old roles for now: {}", error.for_log()),
        }
    }

    async fn hear(&self, notice: Notice) {
        match notice {
            Notice::Changed { channel: notify::ACCESS_KEYS, payload } => self.forget(&payload).await,
            Notice::Changed { .. } => {}
            Notice::Resync => {
                self.known.invalidate_all();
                self.unknown.invalidate_all();
            }
        }
    }

    /// The key of an id, where there is one that is good now.
    /// # Errors
    /// `IndexUnavailable`: it is not known; never taken for a key that does not exist.
    pub async fn find(&self, id: &str) -> Result<Option<Arc<Key>>> {
        if !is_id(id) || self.unknown.contains_key(id) {
            return Ok(None);
        }
        let known = match self.known.try_get_with_by_ref(id, self.load(id)).await {
            // Joined somebody who had asked long ago.
            Ok(known) if known.asked.elapsed() >= self.fresh => {
                self.known.invalidate(id).await;
                self.load(id).await.map_err(Arc::new)
            }
            found => found,
        };
        match known {
            Ok(known) => Ok(self.use_now(id, &known)),
            Err(miss) => match &*miss {
                Miss::Unknown => {
                    self.unknown.insert(id.to_owned(), ()).await;
                    Ok(None)
                }
                // Shared by all who waited for it.
                Miss::Failed(error) => Err(Error::from(error.code()).detail(error.for_log())),
            },
        }
    }

    fn use_now(&self, id: &str, known: &Known) -> Option<Arc<Key>> {
        let now = OffsetDateTime::now_utc();
        if known.is_disabled || known.key.expires_at.is_some_and(|end| end <= now) {
            return None;
        }
        self.uses.note(id, now);
        Some(Arc::clone(&known.key))
    }

    async fn load(&self, id: &str) -> Result<Arc<Known>, Miss> {
        let asked = Instant::now();
        let row = self.index.access_key(id).await.map_err(Miss::Failed)?.ok_or(Miss::Unknown)?;
        let secret = self.seal.open(id, &row.sealed).map_err(Miss::Failed)?;
        let secret = String::from_utf8(secret).map_err(|_| Miss::Failed(Error::internal("a secret is no text")))?;
        let is_disabled = row.disabled_at.is_some();
        let expires_at = row.expires_at;
        let key = Key { secret: Secret::new(secret), principal: principal_of(row), expires_at };
        Ok(Arc::new(Known { key: Arc::new(key), is_disabled, asked }))
    }

    /// Makes a key; its secret is shown this once. `record` makes what is recorded with it of the new key's id.
    /// # Errors
    /// `InvalidArgument` with the field; `LimitExceeded`: the account has two active ones already.
    pub async fn create(&self, new: NewKey, record: impl FnOnce(&str) -> Option<Record>) -> Result<Issued> {
        check(&new)?;
        let (id, secret) = (generate_id(PREFIX), generate_secret());
        let sealed = self.seal.seal(&id, secret.expose().as_bytes())?;
        let (account, account_kind) = match &new.service_account {
            None => (new.owner.clone(), AccountKind::Person),
            Some(ServiceAccount::New) => (format!("key/{id}"), AccountKind::ServiceAccount),
            Some(ServiceAccount::Known(account)) => (account.clone(), AccountKind::ServiceAccount),
        };
        let key = NewAccessKey {
            id: &id,
            account: &account,
            account_kind,
            owner: &new.owner,
            name: &new.name,
            issuer: &new.issuer,
            description: &new.description,
            sealed: &sealed.bytes,
            ring_key: &sealed.ring_key,
            roles: &new.roles,
            groups: &new.groups,
            policy: new.policy.as_deref(),
            created_by: &new.created_by,
            expires_at: new.expires_at,
        };
        let record = record(&id);
        Ok(Issued { key: self.index.create_access_key(key, record.as_slice()).await?, secret })
    }

    /// Makes a second key for the account of `from`; the old one stays until it is disabled or deleted.
    /// # Errors
    /// As [`Index::rotate_access_key`]; `InvalidArgument`: it would have ended.
    pub async fn rotate(
        &self,
        from: &str,
        created_by: &str,
        expires_at: Option<OffsetDateTime>,
        version: Option<i64>,
        audit: &[Record],
    ) -> Result<Issued> {
        check_end(expires_at)?;
        let (id, secret) = (generate_id(PREFIX), generate_secret());
        let sealed = self.seal.seal(&id, secret.expose().as_bytes())?;
        let next = NextAccessKey { id: &id, sealed: &sealed.bytes, ring_key: &sealed.ring_key, created_by, expires_at };
        Ok(Issued { key: self.index.rotate_access_key(from, next, version, audit).await?, secret })
    }

    /// Seals every secret under the ring's current key that is sealed under another one; how many it were. Where it is cut off,
    /// the next call does the rest; where one secret cannot be opened, the others are sealed all the same.
    /// # Errors
    /// `IndexUnavailable`; `InternalError` after all others are done, with the ids that could not be opened in the log.
    pub async fn reseal(&self) -> Result<u64> {
        let current = self.seal.current();
        let (mut after, mut done, mut failed) = (String::new(), 0, Vec::new());
        loop {
            let rows = self.index.access_keys_sealed_otherwise(&current, &after, RESEAL_BATCH).await?;
            let Some(last) = rows.last() else { break };
            after.clone_from(&last.id);
            for row in rows {
                match self.seal.open(&row.id, &row.sealed).and_then(|secret| self.seal.seal(&row.id, &secret)) {
                    Ok(new) => {
                        let (old, new, ring_key) = (&row.sealed, &new.bytes, &new.ring_key);
                        done += u64::from(self.index.reseal_access_key(&row.id, old, new, ring_key).await?);
                    }
                    Err(_) => failed.push(row.id),
                }
            }
        }
        if failed.is_empty() {
            return Ok(done);
        }
        Err(Error::internal(format!("access keys that no key of the ring opens: {}", failed.join(", "))))
    }
}

/// Who a key speaks as.
pub(crate) fn principal_of(row: StoredAccessKey) -> Principal {
    Principal::identity(Identity {
        id: row.account,
        name: row.name,
        issuer: row.issuer,
        roles: row.roles,
        groups: row.groups,
        access_key_id: Some(row.id),
        policy: row.policy,
        ..Identity::default()
    })
}

/// Whether a text can be the id of one of our keys: others are not asked for.
fn is_id(text: &str) -> bool {
    text.len() == ID_LENGTH
        && text.starts_with(PREFIX)
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

pub(super) fn generate_id(prefix: &str) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let random: [u8; ID_LENGTH] = rand::random();
    let letters = random.iter().filter_map(|byte| LETTERS.get(usize::from(byte & 31)).copied().map(char::from));
    prefix.chars().chain(letters).take(ID_LENGTH).collect()
}

/// 240 bits in 40 characters, as long as AWS's.
pub(super) fn generate_secret() -> Secret {
    Secret::new(URL_SAFE_NO_PAD.encode(rand::random::<[u8; 30]>()))
}

/// A key that has ended would open nothing.
fn check_end(end: Option<OffsetDateTime>) -> Result<()> {
    if end.is_some_and(|end| end <= OffsetDateTime::now_utc()) {
        let text = "expires_at must be in the future.";
        return Err(Error::new(Code::InvalidArgument, text).with("field", "expires_at"));
    }
    Ok(())
}

/// Bounds of what a client may choose.
fn check(new: &NewKey) -> Result<()> {
    let is_text = |text: &str, longest: usize| text.chars().count() <= longest && !text.chars().any(char::is_control);
    let is_name = |text: &str| !text.is_empty() && is_text(text, 256);
    let invalid = |field: &'static str, message: &'static str| {
        Err(Error::new(Code::InvalidArgument, message).with("field", field))
    };
    if !is_name(&new.owner) {
        return invalid("owner", "owner must have 1 to 256 characters, none of control.");
    }
    if !is_name(&new.name) {
        return invalid("name", "name must have 1 to 256 characters, none of control.");
    }
    if !is_text(&new.description, 1024) {
        return invalid("description", "description must have at most 1,024 characters, none of control.");
    }
    for (field, names) in [("roles", &new.roles), ("groups", &new.groups)] {
        if names.len() > 1000 || !names.iter().all(|name| is_name(name)) {
            return invalid(field, "There may be at most 1,000 names, of 1 to 256 characters each.");
        }
    }
    if let Some(ServiceAccount::Known(account)) = &new.service_account
        && !account.strip_prefix("key/").is_some_and(is_id)
    {
        return invalid("account", "account must be the account of a service account's key.");
    }
    check_end(new.expires_at)?;
    let policy = new.policy.as_ref().map(|policy| Policy::parse(Kind::Session, "access-key", policy));
    policy.transpose().map(drop).map_err(|error| {
        let field = if error.field.is_empty() { "policy".to_owned() } else { format!("policy.{}", error.field) };
        let refusal = Error::new(Code::MalformedPolicy, error.to_string()).with("field", field);
        refusal.with("line", error.line).with("column", error.column)
    })
}

#[cfg(test)]
mod tests;
