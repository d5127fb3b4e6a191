//! A small S3 client for tests that look at single answers: what a status is, how long it took, what was acknowledged.
//!
//! Blocking, cheap to clone, one request at a time each. Applications are played by the real clients (`clients`).

use std::time::Duration;

use anyhow::{Context as _, Result};
use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};

use crate::harness::Endpoint;
use crate::load::signature::{self, Hash};

/// Longer than any wait that the server allows itself.
const DEADLINE: Duration = Duration::from_secs(120);

/// A client with the root key of a server.
#[derive(Debug, Clone)]
pub struct S3 {
    endpoint: Endpoint,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl S3 {
    /// A client for a server.
    #[must_use]
    pub fn new(endpoint: &Endpoint) -> Self {
        // The first provider wins, and any will do here.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        Self { endpoint: endpoint.clone() }
    }

    /// Sends one signed request to `path`, such as `/bucket/a b`, which is encoded here.
    ///
    /// # Errors
    /// When no whole answer came.
    pub fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Answer> {
        let target = signature::in_path(path);
        let mut request =
            Request::builder().method(method).uri(&target).header("host", self.endpoint.authority()).body(())?;
        let hash = hex::encode(digest(&SHA256, &body));
        let origin = &self.endpoint.url;
        signature::add(&mut request, origin, &self.endpoint.access_key, &self.endpoint.secret_key, Hash::Sha256(hash))?;
        let (parts, ()) = request.into_parts();
        exchange(parts.method, &format!("{origin}{target}"), parts.headers, body)
    }

    /// A client for one thread that keeps its connection, and gives up on an answer after `deadline`.
    ///
    /// # Errors
    /// When the system has no room for it.
    pub fn session(&self, deadline: Duration) -> Result<Session> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let http =
            reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().timeout(deadline).build()?;
        Ok(Session { endpoint: self.endpoint.clone(), runtime, http })
    }

    /// Stores an object; whether it was acknowledged.
    pub fn put(&self, path: &str, body: Bytes) -> bool {
        self.send(Method::PUT, path, body).is_ok_and(|answer| answer.status == StatusCode::OK)
    }
}

/// A request by its parts, none of them encoded.
#[derive(Debug, Clone, Default)]
pub struct Ask<'a> {
    /// The method.
    pub method: Method,
    /// Such as `/bucket/a b`.
    pub path: &'a str,
    /// Names and values; a value may be empty, as in `?uploads`.
    pub query: Vec<(&'a str, &'a str)>,
    /// Names and values, all of which are signed.
    pub headers: Vec<(&'a str, &'a str)>,
    /// The body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// The request never left: nothing can have come of it.
    #[error("not sent: {0:#}")]
    NotSent(anyhow::Error),
    /// It may have been carried out, or may yet be.
    #[error("no answer: {0:#}")]
    NoAnswer(anyhow::Error),
}

/// See [`S3::session`].
#[derive(Debug)]
pub struct Session {
    endpoint: Endpoint,
    runtime: tokio::runtime::Runtime,
    http: reqwest::Client,
}

impl Session {
    /// Sends one signed request and reads the answer whole.
    ///
    /// # Errors
    /// When no whole answer came; which says whether the request was sent.
    pub fn send(&self, ask: &Ask<'_>) -> Result<Answer, Lost> {
        let (url, headers) = self.sign(ask).map_err(Lost::NotSent)?;
        let request = self.http.request(ask.method.clone(), url).headers(headers).body(ask.body.clone());
        self.runtime.block_on(async {
            let answer = request.send().await.map_err(|error| {
                let is_sent = !error.is_connect() && !error.is_builder();
                if is_sent { Lost::NoAnswer(error.into()) } else { Lost::NotSent(error.into()) }
            })?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let body = answer.bytes().await.map_err(|error| Lost::NoAnswer(error.into()))?;
            Ok(Answer { status, headers, body })
        })
    }

    fn sign(&self, ask: &Ask<'_>) -> Result<(String, HeaderMap)> {
        let pairs = ask.query.iter().map(|(name, value)| format!("{name}={}", signature::in_query(value)));
        let query = pairs.collect::<Vec<_>>().join("&");
        let mark = if query.is_empty() { "" } else { "?" };
        let target = format!("{}{mark}{query}", signature::in_path(ask.path));
        let mut request = Request::builder().method(&ask.method).uri(&target).header("host", self.endpoint.authority());
        for (name, value) in &ask.headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(())?;
        let hash = Hash::Sha256(hex::encode(digest(&SHA256, &ask.body)));
        let (origin, key, secret) = (&self.endpoint.url, &self.endpoint.access_key, &self.endpoint.secret_key);
        signature::add(&mut request, origin, key, secret, hash)?;
        Ok((format!("{origin}{target}"), request.into_parts().0.headers))
    }
}

/// One request over a connection of its own, and its answer, read whole.
pub(crate) fn exchange(method: Method, url: &str, headers: HeaderMap, body: Bytes) -> Result<Answer> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let http =
            reqwest::Client::builder().tls_danger_accept_invalid_certs(true).no_proxy().timeout(DEADLINE).build()?;
        let answer = http.request(method, url).headers(headers).body(body).send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        Ok(Answer { status, headers, body: answer.bytes().await.context("the answer broke off")? })
    })
}
