//! [`Guarded`]: how issuers are asked without being led astray.
//!
//! What an issuer's metadata says is somebody else's word: addresses that are not public are connected to only where the operator
//! has listed them, redirections are not followed, and answers are bounded in time and size.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use http::{HeaderValue, Method, Response, StatusCode, header};
use ipnet::IpNet;
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::config;
use crate::gateway::BoxError;

/// How long one question may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// Bytes of an answer.
const LARGEST: usize = 256 * 1024;

/// Why an answer could not be had, for the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct FetchError(pub(super) String);

impl FetchError {
    /// With the causes below it: `reqwest` says what went wrong only there.
    pub(super) fn new(error: &dyn std::error::Error) -> Self {
        let causes = std::iter::successors(Some(error), |error| error.source());
        Self(causes.map(ToString::to_string).collect::<Vec<_>>().join(": "))
    }
}

/// A client that connects where it may.
#[derive(Debug)]
pub(super) struct Guarded {
    client: reqwest::Client,
    allowed: Arc<[IpNet]>,
    allow_http: bool,
    shown: Option<ShownToken>,
}

/// A token that an issuer wants to see before it tells of its keys.
#[derive(Debug)]
struct ShownToken {
    file: PathBuf,
    /// Nobody else gets to see it, whatever the metadata says.
    origins: Vec<url::Origin>,
}

impl Guarded {
    /// By the configuration of an issuer.
    ///
    /// # Errors
    /// Its certificates cannot be read.
    pub(super) fn new(config: &config::Issuer) -> Result<Self, BoxError> {
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
        let shown = config.fetch_token_file.clone().map(|file| ShownToken { file, origins: origins(config) });
        Ok(Self { client: client.build()?, allowed, allow_http: config.allow_http, shown })
    }

    /// Asks for metadata or keys, as whoever is known to the issuer, if anybody is.
    pub(super) async fn fetch(&self, url: &str) -> Result<Vec<u8>, FetchError> {
        let request = http::Request::builder().method(Method::GET).uri(url);
        let request = request.header(header::ACCEPT, "application/json").body(Vec::new());
        let answer = self.ask_for_keys(request.map_err(|error| FetchError::new(&error))?).await?;
        match answer.status() {
            StatusCode::OK => Ok(answer.into_body()),
            status => Err(FetchError(format!("{url} is answered {status}"))),
        }
    }

    async fn ask_for_keys(&self, mut request: HttpRequest) -> Result<HttpResponse, FetchError> {
        if let Some(shown) = &self.shown
            && let Some(token) = shown.to(&request.uri().to_string()).await?
        {
            request.headers_mut().insert(header::AUTHORIZATION, token);
        }
        self.ask(request).await
    }

    /// Asks with an access token of ours.
    pub(super) async fn get(&self, url: &str, token: &str) -> Result<HttpResponse, FetchError> {
        let request = http::Request::builder().method(Method::GET).uri(url);
        let request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        let request = request.header(header::ACCEPT, "application/json").body(Vec::new());
        self.ask(request.map_err(|error| FetchError::new(&error))?).await
    }

    /// Posts a form as the client that we are to the issuer (RFC 6749, section 2.3.1).
    pub(super) async fn post(
        &self,
        url: &str,
        client: &config::IssuerClient,
        form: &[(&str, &str)],
    ) -> Result<HttpResponse, FetchError> {
        let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let secret = client.secret.as_ref().map_or("", |secret| secret.expose());
        let pair = STANDARD.encode(format!("{}:{}", encoded(&client.id), encoded(secret)));
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = http::Request::builder().method(Method::POST).uri(url);
        let request = request
            .header(header::AUTHORIZATION, format!("Basic {pair}"))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json");
        self.ask(request.body(form.into_bytes()).map_err(|error| FetchError::new(&error))?).await
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
        Box::pin(self.ask_for_keys(request))
    }
}

impl ShownToken {
    /// What an address is shown; nothing where it is not the issuer's.
    async fn to(&self, address: &str) -> Result<Option<HeaderValue>, FetchError> {
        let is_issuers = url::Url::parse(address).is_ok_and(|address| self.origins.contains(&address.origin()));
        if !is_issuers {
            return Ok(None);
        }
        let cannot =
            |why: &dyn std::fmt::Display| FetchError(format!("fetch_token_file {}: {why}", self.file.display()));
        let token = tokio::fs::read_to_string(&self.file).await.map_err(|error| cannot(&error))?;
        let header = HeaderValue::try_from(format!("Bearer {}", token.trim()));
        let mut header = header.map_err(|_| cannot(&"it holds no token"))?;
        header.set_sensitive(true);
        Ok(Some(header))
    }
}

/// Where the issuer itself is, as the configuration says.
fn origins(config: &config::Issuer) -> Vec<url::Origin> {
    let named = [Some(&config.url), config.jwks_url.as_ref()];
    named.into_iter().flatten().filter_map(|address| Some(url::Url::parse(address).ok()?.origin())).collect()
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
pub(crate) struct PublicNames(Arc<[IpNet]>);

impl PublicNames {
    /// Public ones, and those of these networks.
    pub(crate) const fn new(allowed: Arc<[IpNet]>) -> Self {
        Self(allowed)
    }
}

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

/// Whether an address is public, or of a network that was listed.
pub(crate) fn may_connect(ip: IpAddr, allowed: &[IpNet]) -> bool {
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
