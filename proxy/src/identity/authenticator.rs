//! [`Authenticator`]: from what a request shows to who asks.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use http::HeaderMap;
use subtle::ConstantTimeEq;
use time::OffsetDateTime;
use zas_policy::Principal;

use super::authorization::{Authorization, authorization};
use super::revocations::Revocable;
use super::{
    Access, AccessKeys, Bearer, Holder, Issuers, OpenSession, RegistryTokens, Revocations, Sessions, StoredKeys,
};
use crate::config::Secret;
use crate::error::{Code, Error, Result};

/// All that credentials are compared with. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Authenticator {
    root: Arc<AccessKeys>,
    stored: Option<StoredKeys>,
    issuers: Issuers,
    sessions: Option<Sessions>,
    registry_tokens: Option<RegistryTokens>,
    revocations: Option<Revocations>,
}

/// Who asks for a registry token, and by what.
#[derive(Debug, Clone)]
pub struct Shown {
    /// Who it is.
    pub principal: Principal,
    /// What the token will speak for.
    pub holder: Holder,
    /// The refresh token that was shown.
    pub refresh: Option<Secret>,
}

/// Who signs a request, and with what.
#[derive(Debug, Clone)]
pub struct Signer {
    /// The access key id.
    pub access_key_id: String,
    /// The secret that the signature must be made with.
    pub secret: Secret,
    /// Who it is.
    pub principal: Principal,
    /// Where it is a session: what it stands in.
    pub session: Option<Arc<OpenSession>>,
}

impl Authenticator {
    /// With the keys of the configuration alone.
    #[must_use]
    pub fn new(root: AccessKeys) -> Self {
        Self { root: Arc::new(root), ..Self::default() }
    }

    /// With the keys and the sessions that a key ring opens.
    #[must_use]
    pub fn with_ring(mut self, stored: StoredKeys, sessions: Sessions, registry_tokens: RegistryTokens) -> Self {
        (self.stored, self.sessions, self.registry_tokens) = (Some(stored), Some(sessions), Some(registry_tokens));
        self
    }

    /// With those who vouch for people, and what was revoked of that.
    #[must_use]
    pub fn with_issuers(mut self, issuers: Issuers, revocations: Revocations) -> Self {
        (self.issuers, self.revocations) = (issuers, Some(revocations));
        self
    }

    /// What was revoked.
    #[must_use]
    pub const fn revocations(&self) -> Option<&Revocations> {
        self.revocations.as_ref()
    }

    /// Credentials of sessions.
    ///
    /// # Errors
    /// `NotImplemented` where no key ring is configured to seal them.
    pub fn sessions(&self) -> Result<&Sessions> {
        let text = "Sessions need a key ring that seals their tokens: identity.key_ring is not configured.";
        self.sessions.as_ref().ok_or_else(|| Error::new(Code::NotImplemented, text))
    }

    /// Who vouches for people and CI jobs.
    #[must_use]
    pub const fn issuers(&self) -> &Issuers {
        &self.issuers
    }

    /// The keys of the index.
    ///
    /// # Errors
    /// `NotImplemented` where no key ring is configured to seal them.
    pub fn stored(&self) -> Result<&StoredKeys> {
        let text = "Access keys need a key ring that seals their secrets: identity.key_ring is not configured.";
        self.stored.as_ref().ok_or_else(|| Error::new(Code::NotImplemented, text))
    }

    /// Tokens of the registry.
    ///
    /// # Errors
    /// `NotImplemented` where no key ring is configured to seal them.
    pub fn registry_tokens(&self) -> Result<&RegistryTokens> {
        let text = "Registry tokens need a key ring that seals them: identity.key_ring is not configured.";
        self.registry_tokens.as_ref().ok_or_else(|| Error::new(Code::NotImplemented, text))
    }

    /// Who signs with an access key, which for a session goes with its token.
    ///
    /// # Errors
    /// `InvalidAccessKeyId`: it opens nothing; `InvalidToken`: the token is not that of this key, or was revoked, or was begun with an
    /// access key that is no longer good; `ExpiredToken`;
    /// `IndexUnavailable`: it cannot be told now.
    pub async fn signer(&self, id: &str, session_token: Option<&str>) -> Result<Signer> {
        let access_key_id = id.to_owned();
        let Some(token) = session_token else {
            let (secret, principal) = self.key(id).await?.ok_or(Code::InvalidAccessKeyId)?;
            return Ok(Signer { access_key_id, secret, principal, session: None });
        };
        let sessions = self.sessions.as_ref().ok_or(Code::InvalidToken)?;
        let open = sessions.open(id, token, OffsetDateTime::now_utc())?;
        if let (Some(revocations), Principal::Identity(identity)) = (&self.revocations, &open.principal) {
            let issued_at = identity.session.as_ref().map_or(0, |session| session.issued_at);
            let (token, login) = (open.token_id.as_deref(), open.login_id.as_deref());
            let begun_by_us = open.access_key.is_some();
            let (subject, session) = (identity.id.as_str(), Some(open.id.as_str()));
            let credential = Revocable { subject, issued_at, begun_by_us, token, login, session };
            if revocations.is_revoked(credential)? {
                return Err(Error::new(Code::InvalidToken, "The session was ended before its time."));
            }
        }
        if let Some(key) = &open.access_key
            && self.key(key).await?.is_none()
        {
            return Err(Error::new(
                Code::InvalidToken,
                "The access key that the session was begun with is no longer good.",
            ));
        }
        let (secret, principal) = (open.secret.clone(), open.principal.clone());
        Ok(Signer { access_key_id, secret, principal, session: Some(Arc::new(open)) })
    }

    /// The secret of an access key and who it speaks as; none for a key that opens nothing.
    ///
    /// # Errors
    /// `IndexUnavailable`: it cannot be told now.
    pub async fn key(&self, id: &str) -> Result<Option<(Secret, Principal)>> {
        if let Some(secret) = self.root.secret(id) {
            return Ok((!secret.is_empty()).then(|| (secret.clone(), Principal::root(id))));
        }
        match &self.stored {
            Some(stored) => Ok(stored.find(id).await?.map(|key| (key.secret.clone(), key.principal.clone()))),
            None => Ok(None),
        }
    }

    /// The principal of a request's `Authorization` header: Basic with an access key, or with a token as password; or Bearer with a
    /// token. Anonymous where there is no header.
    ///
    /// # Errors
    /// `Unauthenticated` for a wrong pair (the same for an unknown id and a wrong secret), `BearerTokenRejected` for a token that
    /// is not accepted, `AuthorizationHeaderMalformed` for a header that cannot be read, another scheme, or more than one header;
    /// `IndexUnavailable`, `IssuerUnavailable`, `TokenKeyUnknown`.
    pub async fn principal(&self, headers: &HeaderMap) -> Result<Principal> {
        match authorization(headers)? {
            None => Ok(Principal::Anonymous),
            Some(Authorization::Bearer(token)) => self.bearer(token.expose()).await,
            Some(Authorization::Basic { user, password }) => self.password(&user, password.expose()).await,
        }
    }

    /// The principal of a bearer token.
    ///
    /// # Errors
    /// `BearerTokenRejected`, `IssuerUnavailable`, `TokenKeyUnknown`.
    pub async fn bearer(&self, token: &str) -> Result<Principal> {
        Ok(self.token(token).await?.principal.clone())
    }

    /// A bearer token that is good: accepted, and not revoked.
    ///
    /// # Errors
    /// As [`Self::bearer`].
    pub async fn token(&self, token: &str) -> Result<Arc<Bearer>> {
        let bearer = self.examine(token).await?;
        if let (Some(stored), Principal::Identity(identity)) = (&self.stored, &bearer.principal) {
            stored.follow(identity, bearer.issued_at).await;
        }
        Ok(bearer)
    }

    /// As [`Self::token`], with nothing following from it: for whoever asks about somebody's token.
    ///
    /// # Errors
    /// As [`Self::bearer`].
    pub async fn examine(&self, token: &str) -> Result<Arc<Bearer>> {
        let bearer = self.issuers.verify(token).await?;
        self.check_revoked(&bearer)?;
        Ok(bearer)
    }

    fn check_revoked(&self, bearer: &Bearer) -> Result<()> {
        if let (Some(revocations), Principal::Identity(identity)) = (&self.revocations, &bearer.principal) {
            let (token, login) = (bearer.token_id.as_deref(), bearer.login_id.as_deref());
            let credential =
                Revocable { subject: &identity.id, issued_at: bearer.issued_at, token, login, ..Revocable::default() };
            if revocations.is_revoked(credential)? {
                return Err(Error::new(Code::BearerTokenRejected, "The token was revoked."));
            }
        }
        Ok(())
    }

    /// Who asks at the registry, and what the registry token is good for that was shown, where it was one.
    ///
    /// # Errors
    /// As [`Self::principal`].
    pub async fn at_the_registry(&self, headers: &HeaderMap) -> Result<(Principal, Option<Vec<Access>>)> {
        match authorization(headers)? {
            Some(Authorization::Bearer(token)) if RegistryTokens::is_one(token.expose()) => {
                let tokens = self.registry_tokens.as_ref().ok_or(Code::BearerTokenRejected)?;
                let open = tokens.open(token.expose(), OffsetDateTime::now_utc())?;
                let principal = match open.holder {
                    Holder::Key(id) => self.key(&id).await?.map(|(_, principal)| principal).ok_or_else(key_is_gone)?,
                    Holder::Person(bearer) => {
                        self.check_revoked(&bearer)?;
                        bearer.principal
                    }
                };
                Ok((principal, Some(open.access)))
            }
            _ => Ok((self.principal(headers).await?, None)),
        }
    }

    /// Who asks for a registry token, by the header; none where nobody says so.
    ///
    /// # Errors
    /// As [`Self::principal`].
    pub async fn shown(&self, headers: &HeaderMap) -> Result<Option<Shown>> {
        match authorization(headers)? {
            None => Ok(None),
            Some(Authorization::Basic { user, password }) => {
                self.shown_password(&user, password.expose()).await.map(Some)
            }
            Some(Authorization::Bearer(token)) => self.shown_token(token.expose()).await.map(Some),
        }
    }

    /// Who asks for a registry token, by user and password.
    ///
    /// # Errors
    /// As [`Self::principal`].
    pub async fn shown_password(&self, user: &str, password: &str) -> Result<Shown> {
        if self.takes_for_a_token(user, password) {
            return self.shown_token(password).await;
        }
        let principal = self.password(user, password).await?;
        Ok(Shown { principal, holder: Holder::Key(user.to_owned()), refresh: None })
    }

    /// Who asks for a registry token, by a refresh token: its access key must still be good.
    ///
    /// # Errors
    /// `BearerTokenRejected`, `IndexUnavailable`.
    pub async fn shown_refresh(&self, token: &str) -> Result<Shown> {
        let tokens = self.registry_tokens.as_ref().ok_or(Code::BearerTokenRejected)?;
        let id = tokens.open_refresh(token, OffsetDateTime::now_utc())?;
        let (_, principal) = self.key(&id).await?.ok_or_else(key_is_gone)?;
        Ok(Shown { principal, holder: Holder::Key(id), refresh: Some(Secret::new(token)) })
    }

    async fn shown_token(&self, token: &str) -> Result<Shown> {
        let bearer = self.token(token).await?;
        let holder = Holder::Person(Bearer::clone(&bearer));
        Ok(Shown { principal: bearer.principal.clone(), holder, refresh: None })
    }

    /// Whether a password is a token (JWT): no secret of the index has dots, but those of the configuration may.
    fn takes_for_a_token(&self, user: &str, password: &str) -> bool {
        let looks_like_one = password.starts_with("ey") && password.bytes().filter(|byte| *byte == b'.').count() == 2;
        looks_like_one && self.root.secret(user).is_none()
    }

    /// The principal of a user and a password: an access key's, or anybody's with a token.
    async fn password(&self, user: &str, password: &str) -> Result<Principal> {
        if self.takes_for_a_token(user, password) {
            return self.bearer(password).await;
        }
        let wrong = || Error::new(Code::Unauthenticated, "Unknown access key or wrong secret.");
        let found = self.key(user).await?;
        // Hashes of equal length are compared in constant time, for an unknown id too.
        let expected = digest(&SHA256, found.as_ref().map_or("", |(secret, _)| secret.expose()).as_bytes());
        let equal: bool = expected.as_ref().ct_eq(digest(&SHA256, password.as_bytes()).as_ref()).into();
        found.filter(|_| equal).map(|(_, principal)| principal).ok_or_else(wrong)
    }
}

fn key_is_gone() -> Error {
    Error::new(Code::BearerTokenRejected, "The access key of this token is no longer good.")
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use http::header;

    use super::*;
    use crate::config::AccessKey;

    async fn principal(pair: &str) -> Result<Principal> {
        let key = AccessKey { id: "AKIA".into(), secret: Some(Secret::new("0123456789abcdef")), secret_file: None };
        let empty = AccessKey { id: "EMPTY".into(), secret: Some(Secret::default()), secret_file: None };
        let value = format!("Basic {}", STANDARD.encode(pair)).parse().unwrap();
        Authenticator::new(AccessKeys::new(&[key, empty]))
            .principal(&[(header::AUTHORIZATION, value)].into_iter().collect())
            .await
    }

    #[tokio::test]
    async fn a_known_pair_is_root_and_no_header_is_nobody() {
        assert_eq!(principal("AKIA:0123456789abcdef").await.unwrap(), Principal::root("AKIA"));
        assert!(Authenticator::default().principal(&HeaderMap::new()).await.unwrap().is_anonymous());
    }

    #[tokio::test]
    async fn an_unknown_key_a_wrong_secret_and_an_empty_one_read_the_same() {
        for pair in ["NOPE:0123456789abcdef", "AKIA:nope", "AKIA:", "EMPTY:", "NOPE:"] {
            let error = principal(pair).await.unwrap_err();
            assert_eq!((error.code(), error.message()), (Code::Unauthenticated, "Unknown access key or wrong secret."));
        }
    }

    #[test]
    fn without_a_key_ring_there_are_no_other_keys() {
        let error = Authenticator::default().stored().unwrap_err();
        assert!(error.message().contains("identity.key_ring"), "{error:?}");
    }
}
