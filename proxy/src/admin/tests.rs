//! The management API as a function of a request, against a real Postgres; each test has a database of its own.

mod access_keys;
mod audit;
mod buckets;
mod event_targets;
mod idempotency;
mod policies;
mod quotas;
mod roles;
mod service;
mod sessions;
mod signing_keys;
mod signing_rules;
mod trusted_signers;
mod verification_policies;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Value, json};

use super::*;
use crate::config::{AccessKey, Config, RingKey, Secret};
use crate::identity::generate_ring_key;
use crate::identity::testing::MockIssuer;
use crate::postgres::testing::{self, TestDatabase};

const SECRET: &str = "a-secret-of-the-test";

/// A service with root `AKIA`, a key ring `test` and an issuer `kc`.
struct World {
    app: Arc<App>,
    api: Api,
    issuer: MockIssuer,
    config: Config,
    postgres: TestDatabase,
}

/// What was answered.
#[derive(Debug)]
struct Got {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl World {
    async fn new() -> Self {
        let postgres = testing::database().await.unwrap();
        let mut config = Config::default();
        config.database.url = Secret::new(postgres.url());
        config.access_keys =
            vec![AccessKey { id: "AKIA".into(), secret: Some(Secret::new(SECRET)), secret_file: None }];
        config.identity.key_ring = vec![ring_key("test")];
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let issuer = MockIssuer::start().await.unwrap();
        config.identity.issuers = vec![issuer.config("kc", "")];
        let app = started(config.clone()).await;
        Self { api: Api::new(Arc::clone(&app)), app, issuer, config, postgres }
    }

    /// Another process on the same database, with a configuration that differs.
    async fn replica(&self, change: impl FnOnce(&mut Config)) -> Api {
        let mut config = self.config.clone();
        change(&mut config);
        Api::new(started(config).await)
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        self.ask_as(Some(SECRET), method, path, body.map(|body| body.to_string()).unwrap_or_default()).await
    }

    async fn ask_as(&self, secret: Option<&str>, method: Method, path: &str, body: String) -> (StatusCode, Value) {
        self.ask_with(secret.map(|secret| basic("AKIA", secret)), method, path, body).await
    }

    async fn ask_with(
        &self,
        authorization: Option<String>,
        method: Method,
        path: &str,
        body: String,
    ) -> (StatusCode, Value) {
        let authorization = authorization.iter().map(|value| ("authorization", value.as_str()));
        let got = send(&self.api, method, path, &authorization.collect::<Vec<_>>(), body).await;
        (got.status, got.body)
    }
}

impl Got {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn code(&self) -> (u16, &str) {
        (self.status.as_u16(), self.body["code"].as_str().unwrap_or_default())
    }
}

async fn started(config: Config) -> Arc<App> {
    let app = App::new(config, Vec::new()).unwrap();
    app.identity.revocations().unwrap().refresh(&app.index).await.unwrap();
    app.authority.policies().refresh(&app.index).await.unwrap();
    app.trust.refresh(&app.index).await.unwrap();
    app
}

/// A request with a JSON body.
async fn send(api: &Api, method: Method, path: &str, headers: &[(&str, &str)], body: String) -> Got {
    let mut request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = api.call(request.extension(context()).body(full(body.into())).unwrap()).await;
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
    Got { status: parts.status, headers: parts.headers, body }
}

/// What is known of a request besides, as the gateway says it.
fn context() -> RequestContext {
    RequestContext { request_id: RequestId::generate(), peer: None, secure: true, operation: Arc::default() }
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

fn ring_key(id: &str) -> RingKey {
    RingKey { id: id.into(), secret: Some(Secret::new(generate_ring_key())), secret_file: None }
}

fn allow_reading(bucket: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": format!("{bucket}/*")}]})
}
