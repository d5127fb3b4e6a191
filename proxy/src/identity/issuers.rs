//! Bearer tokens (JWT, RFC 7519) of the issuers that are configured: who does this one speak of?
//!
//! A token's unverified `iss` only says which issuer's rules and keys it is held to; everything else is believed after the
//! signature. Until then every refusal reads the same; afterwards it says what is missing.
//! What lives here: the checks (`token`, `logout`, `introspection`), the keys (`keys`, `fetch`), and what claims mean to policies (`claims`). What does not:
//! whether a token was revoked, and what its owner may do.

mod claims;
mod fetch;
mod introspection;
mod issuer;
mod json;
mod keys;
mod logout;
mod token;

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use moka::sync::Cache;
use time::OffsetDateTime;
use zas_policy::Principal;

use crate::config;
use crate::error::{Code, Error, Result};

use issuer::Issuer;
use token::Token;

pub use logout::Logout;

/// Tokens that are remembered as they were found good.
const REMEMBERED: u64 = 10_000;

/// For how long: a key that its issuer has withdrawn vouches for nobody any more after that.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);

/// Clocks may differ by so many seconds.
pub(super) const SKEW: i64 = 30;

/// A token that was found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// Who it speaks of.
    pub principal: Principal,
    /// Its `jti`, after the issuer's name and a slash.
    pub token_id: Option<String>,
    /// The login that it was issued for: its `sid`, after the issuer's name and a slash.
    pub login_id: Option<String>,
    /// Seconds since 1970 at which it was issued.
    pub issued_at: i64,
    /// And at which it lapses.
    pub expires_at: i64,
}

/// Every issuer. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Issuers {
    issuers: Arc<[Issuer]>,
    good: Cache<[u8; 32], Arc<Bearer>>,
}

impl Default for Issuers {
    fn default() -> Self {
        Self { issuers: Arc::new([]), good: Cache::new(0) }
    }
}

impl Issuers {
    /// By configuration. Nobody is asked yet.
    ///
    /// # Errors
    /// An issuer's certificates or keys cannot be read.
    pub fn new(config: &[config::Issuer]) -> Result<Self> {
        let prefixes: Vec<String> = config.iter().map(config::Issuer::prefix).collect();
        let issuers = config.iter().map(|one| Issuer::new(one, &prefixes)).collect::<Result<Vec<_>>>()?;
        let good = Cache::builder().max_capacity(REMEMBERED).time_to_live(REMEMBERED_FOR).build();
        Ok(Self { issuers: issuers.into(), good })
    }

    /// Whether there are any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.issuers.is_empty()
    }

    /// Asks each issuer for its keys, so that the first token need not wait; what goes wrong is in the log.
    pub async fn warm_up(&self) {
        futures::future::join_all(self.issuers.iter().map(Issuer::warm_up)).await;
    }

    /// Who a token speaks of.
    ///
    /// # Errors
    /// `BearerTokenRejected`, `BearerTokenExpired`; `TokenKeyUnknown` where the key it names may be new, `IssuerUnavailable` where it cannot be asked for
    /// now.
    pub async fn verify(&self, text: &str) -> Result<Arc<Bearer>> {
        let key = token_key(text);
        let now = OffsetDateTime::now_utc().unix_timestamp();
        if let Some(known) = self.good.get(&key) {
            return if known.expires_at + SKEW > now { Ok(known) } else { Err(Code::BearerTokenExpired.into()) };
        }
        let token = Token::parse(text)?;
        let issuer = self.issuer_of(&token)?;
        let bearer = Arc::new(issuer.verify(text, token, now).await?);
        // What an issuer is asked about it remembers for itself, and not for as long.
        if !issuer.is_asked() {
            self.good.insert(key, Arc::clone(&bearer));
        }
        Ok(bearer)
    }

    /// Who has logged out, by a logout token.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub async fn verify_logout(&self, text: &str) -> Result<Logout> {
        let token = Token::parse(text)?;
        let now = OffsetDateTime::now_utc().unix_timestamp();
        self.issuer_of(&token)?.verify_logout(&token, now).await
    }

    /// The issuer that a token says it is of.
    fn issuer_of(&self, token: &Token<'_>) -> Result<&Issuer> {
        let issuer = self.issuers.iter().find(|issuer| token.issuer() == Some(issuer.url()));
        issuer.ok_or_else(|| unproven("no issuer of this name is configured"))
    }
}

/// What a token is remembered by.
fn token_key(text: &str) -> [u8; 32] {
    let mut key = [0; 32];
    key.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    key
}

/// Refuses a token whose signature was found good: its owner may know why.
fn rejected(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(Code::BearerTokenRejected, message)
}

/// Refuses a token that nothing proves: whoever sent it learns nothing.
fn unproven(why: impl std::fmt::Display) -> Error {
    Error::from(Code::BearerTokenRejected).detail(why)
}

#[cfg(test)]
mod tests;
