//! A small client of the management API and of the registry, with the root key of a server by Basic authentication: for tests
//! that look at single answers. As [`S3`](crate::s3::S3), blocking and cheap to clone.

use anyhow::{Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::Value;

use crate::{
    harness::Endpoint,
    s3::{Answer, exchange},
};

/// A client with the root key of a server.
#[derive(Debug, Clone)]
pub struct Basic {
    endpoint: Endpoint,
}

impl Basic {
    /// A client for a server.
    #[must_use]
    pub fn new(endpoint: &Endpoint) -> Self {
        // The first provider wins, and any will do here.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        Self { endpoint: endpoint.clone() }
    }

    /// Sends one request to `target`, a path with its query, whose body is of `media_type`.
    ///
    /// # Errors
    /// When no whole answer came.
    pub fn send(&self, method: Method, target: &str, media_type: &str, body: Bytes) -> Result<Answer> {
        let pair = STANDARD.encode(format!("{}:{}", self.endpoint.access_key, self.endpoint.secret_key));
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::try_from(format!("Basic {pair}"))?);
        headers.insert(header::CONTENT_TYPE, HeaderValue::try_from(media_type)?);
        exchange(method, &format!("{}{target}", self.endpoint.url), headers, body)
    }

    /// Asks for JSON.
    ///
    /// # Errors
    /// When the answer is no success, or no JSON.
    pub fn get(&self, target: &str) -> Result<Value> {
        let answer = self.send(Method::GET, target, "application/json", Bytes::new())?;
        ensure!(answer.status.is_success(), "GET {target}: {} {:?}", answer.status, answer.body);
        Ok(serde_json::from_slice(&answer.body)?)
    }
}
