//! [`Receiver`]: one address that we post to. The same for audit records and for events: signed where there is a secret, no redirect followed,
//! and an answer in time or none.
//!
//! What does not live here: what is posted, and when it is tried again.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use http::header::CONTENT_TYPE;
use ipnet::IpNet;
use url::{Host, Url};

use crate::config::{PrivateUrl, Secret};
use crate::error::{Error, Result};
use crate::identity::{PublicNames, may_connect};

/// How long a receiver may take to answer.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// Signs the body: `sha256=` and the HMAC in hex.
const SIGNATURE: &str = "x-zas-signature";

/// Posts to one address. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Receiver {
    url: PrivateUrl,
    secret: Option<Secret>,
    client: reqwest::Client,
}

/// Whether an address can be posted to.
/// # Errors
/// What is wrong with it, and what is wanted; never the address itself.
pub fn check_url(url: &PrivateUrl) -> std::result::Result<(), String> {
    let url = Url::parse(url.expose()).map_err(|error| error.to_string())?;
    match url.scheme() {
        "http" | "https" if url.host().is_some() => Ok(()),
        _ => Err("must be an http or https URL with a host".to_owned()),
    }
}

impl Receiver {
    /// One that the operator has configured: it may be anywhere. Connects to nobody yet.
    /// # Errors
    /// `InternalError` where no client can be made.
    pub fn new(url: &PrivateUrl, secret: Option<&Secret>) -> Result<Self> {
        Self::with(url, secret, client())
    }

    /// One that somebody else has named: it must be at a public address, or in one of the networks. Names are resolved at the moment of
    /// connecting, so that none can change in between.
    /// # Errors
    /// `InternalError` where no client can be made, or the address is one that may not be connected to.
    pub fn within(url: &PrivateUrl, secret: Option<&Secret>, allowed: &[IpNet]) -> Result<Self> {
        // Addresses are not resolved: what guards names does not see them.
        if literal(url).is_some_and(|ip| !may_connect(ip, allowed)) {
            return Err(Error::internal("the receiver is at an address that is not public"));
        }
        Self::with(url, secret, client().no_proxy().dns_resolver(Arc::new(PublicNames::new(allowed.into()))))
    }

    fn with(url: &PrivateUrl, secret: Option<&Secret>, client: reqwest::ClientBuilder) -> Result<Self> {
        let client = client.build().map_err(Error::internal)?;
        Ok(Self { url: url.clone(), secret: secret.cloned(), client })
    }

    /// Posts a body.
    /// # Errors
    /// `InternalError`: it was not answered 2xx in time.
    pub async fn post(&self, content_type: &'static str, body: String) -> Result<()> {
        let mut request = self.client.post(self.url.expose()).header(CONTENT_TYPE, content_type);
        if let Some(secret) = &self.secret {
            request = request.header(SIGNATURE, signature(secret, body.as_bytes()));
        }
        // The URL may hold a token: it does not stand in the error.
        let sent = request.body(body).send().await.map_err(|error| Error::internal(causes(&error.without_url())))?;
        match sent.status().is_success() {
            true => Ok(()),
            false => Err(Error::internal(format!("the receiver answers {}", sent.status()))),
        }
    }
}

fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder().timeout(DEADLINE).redirect(reqwest::redirect::Policy::none())
}

/// What went wrong stands below the error itself.
fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn signature(secret: &Secret, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    format!("sha256={}", hex::encode(hmac::sign(&key, body).as_ref()))
}

/// The address that a URL names, where it is no name.
fn literal(url: &PrivateUrl) -> Option<IpAddr> {
    match Url::parse(url.expose()).ok()?.host()? {
        Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
        Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
        Host::Domain(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_http_or_https_with_a_host() {
        for (url, good) in [
            ("https://hooks.example/x?token=hunter2", true),
            ("http://10.0.0.1:8080", true),
            ("ftp://hooks.example", false),
            ("file:///etc/passwd", false),
            ("hooks.example", false),
            ("", false),
        ] {
            let checked = check_url(&PrivateUrl::new(url));
            assert_eq!(checked.is_ok(), good, "{url}");
            assert!(!format!("{checked:?}").contains("hunter2"));
        }
    }

    #[tokio::test]
    async fn who_is_not_the_operator_names_no_inner_address() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let inner = PrivateUrl::new("http://127.0.0.1:1/");
        assert!(Receiver::within(&inner, None, &[]).is_err());
        assert!(Receiver::within(&inner, None, &["127.0.0.0/8".parse().unwrap()]).is_ok());
        assert!(Receiver::within(&PrivateUrl::new("http://[::ffff:169.254.169.254]/"), None, &[]).is_err());
        let named = Receiver::within(&PrivateUrl::new("http://localhost:1/"), None, &[]).unwrap();
        let refused = named.post("application/json", "{}".to_owned()).await.unwrap_err();
        let log = refused.for_log();
        assert!(log.contains("not public") && !log.contains("localhost:1"), "{log}");
    }
}
