//! [`Source`]: where an issuer's keys are. How they are asked for without being led astray is in `guarded.rs`.

use jsonwebtoken::jwk::Jwk;
use openidconnect::core::CoreJsonWebKeySet;
use openidconnect::{IssuerUrl, JsonWebKeySetUrl};
use serde::Deserialize;

use super::super::guarded::{FetchError, Guarded};
use crate::config;
use crate::error::{Error, Result};

/// Where an issuer's metadata is (OpenID Connect Discovery 1.0, section 4).
const METADATA: &str = ".well-known/openid-configuration";

/// What of the metadata is looked at. The crate's own type wants an address to log in at too, which issuers of workloads, such as GitHub
/// and Kubernetes, do not have.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: JsonWebKeySetUrl,
}

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
        if let Some(path) = &config.fetch_token_file {
            // Read anew when it is needed; one that is not there at all is said at once.
            std::fs::metadata(path).map_err(|error| wrong("fetch_token_file", &error))?;
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
            Self::Discovery(guarded, issuer) => key_set(guarded, &discovered(guarded, issuer).await?).await?,
            Self::Url(guarded, url) => key_set(guarded, url).await?,
        };
        Ok(for_verification(&keys))
    }
}

async fn key_set(guarded: &Guarded, url: &JsonWebKeySetUrl) -> Result<CoreJsonWebKeySet, FetchError> {
    CoreJsonWebKeySet::fetch_async(url, guarded).await.map_err(|error| FetchError::new(&error))
}

/// Where the metadata says that the keys are. Its issuer must be the one that was asked, to the letter.
async fn discovered(guarded: &Guarded, issuer: &IssuerUrl) -> Result<JsonWebKeySetUrl, FetchError> {
    let url = issuer.join(METADATA).map_err(|error| FetchError::new(&error))?;
    let metadata: Metadata =
        serde_json::from_slice(&guarded.fetch(url.as_str()).await?).map_err(|error| FetchError::new(&error))?;
    if metadata.issuer != issuer.as_str() {
        return Err(FetchError(format!("{url} is the metadata of {:?}", metadata.issuer)));
    }
    Ok(metadata.jwks_uri)
}

/// The keys in the types of the crate that verifies; what it does not know is left out.
fn for_verification(keys: &CoreJsonWebKeySet) -> Vec<Jwk> {
    let read = |key| serde_json::from_value(serde_json::to_value(key).ok()?).ok();
    keys.keys().iter().filter_map(read).collect()
}
