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

    /// Stores an object; whether it was acknowledged.
    pub fn put(&self, path: &str, body: Bytes) -> bool {
        self.send(Method::PUT, path, body).is_ok_and(|answer| answer.status == StatusCode::OK)
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
