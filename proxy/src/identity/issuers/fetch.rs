//! [`Source`]: where an issuer's keys are, and how they are asked for without being led astray.
//!
//! What an issuer's metadata says is somebody else's word: addresses that are not public are connected to only where the operator
//! has listed them, redirections are not followed, and answers are bounded in time and size.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use http::Response;
use ipnet::IpNet;
use jsonwebtoken::jwk::Jwk;
use openidconnect::core::{CoreJsonWebKeySet, CoreProviderMetadata};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse, IssuerUrl, JsonWebKeySetUrl};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::config;
use crate::error::{Error, Result};
use crate::gateway::BoxError;

/// How long one question may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// Bytes of an answer.
const LARGEST: usize = 256 * 1024;

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

/// Why keys could not be had, for the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct FetchError(String);

impl FetchError {
    /// With the causes below it: `reqwest` says what went wrong only there.
    fn new(error: &dyn std::error::Error) -> Self {
        let causes = std::iter::successors(Some(error), |error| error.source());
        Self(causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
    }
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

/// A client that connects where it may.
#[derive(Debug)]
pub(super) struct Guarded {
    client: reqwest::Client,
    allowed: Arc<[IpNet]>,
    allow_http: bool,
}

impl Guarded {
    fn new(config: &config::Issuer) -> Result<Self, BoxError> {
        let allowed: Arc<[IpNet]> = config.allowed_networks.clone().into();
        let mut client = reqwest::Client::builder()
            .timeout(DEADLINE)
            .redirect(reqwest::redirect::Policy::none())
            .https_only(!config.allow_http)
            .no_proxy()
            .dns_resolver(Arc::new(PublicNames(Arc::clone(&allowed))));
        if let Some(path) = &config.ca_file {
            let certificates = reqwest::Certificate::from_pem_bundle(&std::fs::read(path)?)?;
            client = client.tls_certs_only(certificates);
        }
        Ok(Self { client: client.build()?, allowed, allow_http: config.allow_http })
    }

    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, FetchError> {
        let (parts, body) = request.into_parts();
        let url = url::Url::parse(&parts.uri.to_string()).map_err(|error| FetchError(error.to_string()))?;
        if url.scheme() != "https" && !self.allow_http {
            return Err(FetchError(format!("{url} is not https")));
        }
        // Addresses are not resolved: what guards names does not see them.
        let address = match url.host() {
            Some(url::Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(url::Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
            _ => None,
        };
        if let Some(ip) = address.filter(|ip| !may_connect(*ip, &self.allowed)) {
            return Err(not_allowed(url.as_str(), &[ip]));
        }
        let request = self.client.request(parts.method, url).headers(parts.headers).body(body);
        let mut answer = request.send().await.map_err(|error| FetchError::new(&error))?;
        let mut whole = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| FetchError::new(&error))? {
            whole.extend_from_slice(&chunk);
            if whole.len() > LARGEST {
                return Err(FetchError("the answer has more than 256 KiB".to_owned()));
            }
        }
        let mut response = Response::new(whole);
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        Ok(response)
    }
}

impl<'c> AsyncHttpClient<'c> for Guarded {
    type Error = FetchError;
    type Future = BoxFuture<'c, Result<HttpResponse, FetchError>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.ask(request))
    }
}

fn not_allowed(what: &str, addresses: &[IpAddr]) -> FetchError {
    let addresses: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let addresses = addresses.join(", ");
    FetchError(format!(
        "{what} is at {addresses}, which is not public: list its network in allowed_networks if that is right"
    ))
}

/// Resolves names to addresses that may be connected to: at the moment of connecting, so that a name cannot change in between.
#[derive(Debug)]
struct PublicNames(Arc<[IpNet]>);

impl Resolve for PublicNames {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = Arc::clone(&self.0);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let good: Vec<SocketAddr> = found.iter().copied().filter(|at| may_connect(at.ip(), &allowed)).collect();
            if good.is_empty() {
                let found: Vec<IpAddr> = found.iter().map(SocketAddr::ip).collect();
                return Err(not_allowed(name.as_str(), &found).into());
            }
            Ok(Box::new(good.into_iter()) as Addrs)
        })
    }
}

fn may_connect(ip: IpAddr, allowed: &[IpNet]) -> bool {
    let ip = ip.to_canonical();
    is_public(ip) || allowed.iter().any(|network| network.contains(&ip))
}

/// Whether an address is reachable from everywhere (IANA special-purpose address registries).
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            !(a == 0
                || a >= 224
                || ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_documentation()
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (18..20).contains(&b)))
        }
        // Global unicast alone, without documentation, and without those that hold an address of version 4.
        IpAddr::V6(ip) => {
            let [first, second, ..] = ip.segments();
            (0x2000..0x4000).contains(&first)
                && first != 0x2002
                && !(first == 0x2001 && (second < 0x0200 || second == 0x0db8))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_and_listed_networks_are_connected_to() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for public in ["1.1.1.1", "140.82.112.3", "2606:4700::1111", "100.128.0.1"] {
            assert!(may_connect(ip(public), &[]), "{public}");
        }
        for inner in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.0.1",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
        ] {
            assert!(!may_connect(ip(inner), &[]), "{inner}");
        }
        let listed = ["10.0.0.0/8".parse().unwrap()];
        assert!(may_connect(ip("10.1.2.3"), &listed) && may_connect(ip("::ffff:10.1.2.3"), &listed));
        assert!(!may_connect(ip("192.168.1.1"), &listed));
    }
}
