//! [`Issuer`]: one issuer, its rules and its keys.

use zas_policy::Principal;

use super::claims::Claims;
use super::fetch::Source;
use super::introspection::Introspector;
use super::keys::Keys;
use super::logout::Logout;
use super::token::Token;
use super::{Bearer, unproven};
use crate::config;
use crate::error::Result;

/// One issuer.
#[derive(Debug)]
pub(super) struct Issuer {
    config: config::Issuer,
    claims: Claims,
    keys: Keys,
    introspector: Option<Introspector>,
}

impl Issuer {
    /// By configuration, among issuers with these prefixes.
    pub(super) fn new(config: &config::Issuer, prefixes: &[String]) -> Result<Self> {
        let keys = Keys::new(&config.name, Source::new(config)?);
        let introspector = Introspector::new(config)?;
        Ok(Self { claims: Claims::new(config, prefixes), config: config.clone(), keys, introspector })
    }

    /// As tokens name it.
    pub(super) fn url(&self) -> &str {
        &self.config.url
    }

    /// Whether it is asked about each token.
    pub(super) const fn is_asked(&self) -> bool {
        self.introspector.is_some()
    }

    /// Asks for the keys.
    pub(super) async fn warm_up(&self) {
        self.keys.refresh_now().await;
    }

    /// Whether this issuer has signed a token.
    async fn prove(&self, token: &Token<'_>) -> Result<()> {
        let (kid, alg) = token.signed_with(&self.config)?;
        let key = self.keys.find(kid, alg).await?;
        let key = key.ok_or_else(|| unproven("the issuer has no such key for this algorithm"))?;
        token.check_signature(&key, alg)
    }

    /// Who has logged out by the word of this issuer, at `now` in seconds since 1970.
    pub(super) async fn verify_logout(&self, token: &Token<'_>, now: i64) -> Result<Logout> {
        self.prove(token).await?;
        Logout::read(token, &self.config, now)
    }

    /// Who a token of this issuer speaks of, at `now` in seconds since 1970.
    pub(super) async fn verify(&self, text: &str, mut token: Token<'_>, now: i64) -> Result<Bearer> {
        self.prove(&token).await?;
        if let Some(introspector) = &self.introspector {
            token.add_claims(&*introspector.claims(text).await?);
        }
        let times = token.check_claims(&self.config, now)?;
        let sub = token.text("sub").unwrap_or_default();
        let identity = self.claims.identity(&self.config, sub, &token.claims())?;
        Ok(Bearer {
            principal: Principal::identity(identity),
            token_id: token.text("jti").map(|jti| format!("{}/{jti}", self.config.name)),
            login_id: token.id("sid").map(|sid| format!("{}/{sid}", self.config.name)),
            issued_at: times.issued_at,
            expires_at: times.expires_at,
        })
    }
}
