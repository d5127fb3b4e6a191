//! [`Source`]: where an issuer's keys are. How they are asked for without being led astray is in `guarded.rs`.

use jsonwebtoken::jwk::Jwk;
use openidconnect::core::{CoreJsonWebKeySet, CoreProviderMetadata};
use openidconnect::{IssuerUrl, JsonWebKeySetUrl};

use super::super::guarded::{FetchError, Guarded};
use crate::config;
use crate::error::{Error, Result};

/// Where the keys are.
#[derive(Debug)]
pub(super) enum Source {
    /// The issuer's metadata says so (OpenID Connect Discovery 1.0, section 4).
    Discovery(Guarded, IssuerUrl),
    /// At this address.
    Url(Guarded, JsonWebKeySetUrl),
    /// They have been read from a file.
    Fixed(Vec<Jwk>),
}

impl Source {
    /// By configuration.
    ///
    /// # Errors
    /// A file cannot be read, or an address is none.
    pub(super) fn new(config: &config::Issuer) -> Result<Self> {
        let wrong = |what: &str, error: &dyn std::fmt::Display| {
            Error::internal(format!("identity.issuers {}: {what}: {error}", config.name))
        };
        if let Some(path) = &config.jwks_file {
            let text = std::fs::read(path).map_err(|error| wrong("jwks_file", &error))?;
            let keys: CoreJsonWebKeySet = serde_json::from_slice(&text).map_err(|error| wrong("jwks_file", &error))?;
            return Ok(Self::Fixed(for_verification(&keys)));
        }
        let guarded = Guarded::new(config).map_err(|error| wrong("ca_file", &error))?;
        match &config.jwks_url {
            Some(url) => {
                let url = JsonWebKeySetUrl::new(url.clone()).map_err(|error| wrong("jwks_url", &error))?;
                Ok(Self::Url(guarded, url))
            }
            None => {
                let url = IssuerUrl::new(config.url.clone()).map_err(|error| wrong("url", &error))?;
                Ok(Self::Discovery(guarded, url))
            }
        }
    }

    /// The keys as they are now.
    pub(super) async fn fetch(&self) -> Result<Vec<Jwk>, FetchError> {
        let keys = match self {
            Self::Fixed(keys) => return Ok(keys.clone()),
            // The metadata's issuer must be the one that was asked, to the letter; the crate sees to it.
            Self::Discovery(guarded, issuer) => {
                let metadata = CoreProviderMetadata::discover_async(issuer.clone(), guarded).await;
                metadata.map_err(|error| FetchError::new(&error))?.jwks().clone()
            }
            Self::Url(guarded, url) => {
                CoreJsonWebKeySet::fetch_async(url, guarded).await.map_err(|error| FetchError::new(&error))?
            }
        };
        Ok(for_verification(&keys))
    }
}

/// The keys in the types of the crate that verifies; what it does not know is left out.
fn for_verification(keys: &CoreJsonWebKeySet) -> Vec<Jwk> {
    let read = |key| serde_json::from_value(serde_json::to_value(key).ok()?).ok();
    keys.keys().iter().filter_map(read).collect()
}
