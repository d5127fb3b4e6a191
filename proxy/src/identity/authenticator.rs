//! [`Authenticator`]: from what a request shows to who asks.

use aws_lc_rs::digest::{SHA256, digest};
use http::HeaderMap;
use subtle::ConstantTimeEq;
use zas_policy::Principal;

use super::basic::basic_credentials;
use super::{AccessKeys, StoredKeys};
use crate::config::Secret;
use crate::error::{Code, Error, Result};

/// All that credentials are compared with. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Authenticator {
    root: std::sync::Arc<AccessKeys>,
    stored: Option<StoredKeys>,
}

impl Authenticator {
    /// With the keys of the configuration, and those of the index where there is a key ring to open them.
    #[must_use]
    pub fn new(root: AccessKeys, stored: Option<StoredKeys>) -> Self {
        Self { root: std::sync::Arc::new(root), stored }
    }

    /// The keys of the index.
    ///
    /// # Errors
    /// `NotImplemented` where no key ring is configured to seal them.
    pub fn stored(&self) -> Result<&StoredKeys> {
        let text = "Access keys need a key ring that seals their secrets: identity.key_ring is not configured.";
        self.stored.as_ref().ok_or_else(|| Error::new(Code::NotImplemented, text))
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

    /// The principal of a request's `Authorization: Basic` header; anonymous where there is none.
    ///
    /// # Errors
    /// `Unauthenticated` for a wrong pair (the same for an unknown id and a wrong secret), `AuthorizationHeaderMalformed` for a
    /// header that cannot be read, another scheme, or more than one header; `IndexUnavailable`.
    pub async fn basic(&self, headers: &HeaderMap) -> Result<Principal> {
        let Some((id, password)) = basic_credentials(headers)? else { return Ok(Principal::Anonymous) };
        let wrong = || Error::new(Code::Unauthenticated, "Unknown access key or wrong secret.");
        let found = self.key(&id).await?;
        // Hashes of equal length are compared in constant time, for an unknown id too.
        let expected = digest(&SHA256, found.as_ref().map_or("", |(secret, _)| secret.expose()).as_bytes());
        let equal: bool = expected.as_ref().ct_eq(digest(&SHA256, password.as_bytes()).as_ref()).into();
        found.filter(|_| equal).map(|(_, principal)| principal).ok_or_else(wrong)
    }
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
        Authenticator::new(AccessKeys::new(&[key, empty]), None)
            .basic(&[(header::AUTHORIZATION, value)].into_iter().collect())
            .await
    }

    #[tokio::test]
    async fn a_known_pair_is_root_and_no_header_is_nobody() {
        assert_eq!(principal("AKIA:0123456789abcdef").await.unwrap(), Principal::root("AKIA"));
        assert!(Authenticator::default().basic(&HeaderMap::new()).await.unwrap().is_anonymous());
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
